// The guarantees about what is delivered: Ordered, Unique, Reliable, Atomic, Resumable.
#include <set>
#include <tuple>
#include <utility>

#include "history/found.h"
#include "history/walk.h"

namespace vigil::history {

Violations Ordered(const History& history, const Reference& reference) {
  Found found;
  Seq last;
  Walk(history, reference, [&](const Step& step) {
    if (step.As<Opened>()) last = {};
    const auto* told = step.As<EventsTold>();
    if (!told) return;
    for (const Event& event : told->events) {
      if (event.seq < last) {
        found.Add("{} comes after event {}", Text(reference, event.seq), last.value);
      }
      last = event.seq;
    }
    if (told->position.seq < last) {
      found.Add("the position after event {} is {}", last.value, told->position.seq.value);
    }
  });
  return found.Take();
}

Violations Unique(const History& history, const Reference& reference) {
  Found found;
  std::set<Seq> told;
  Walk(history, reference, [&](const Step& step) {
    if (const auto* opened = step.As<Opened>()) {
      const auto* after = std::get_if<Position>(&opened->start);
      told.erase(after ? told.upper_bound(after->seq) : told.begin(), told.end());
    } else if (const auto* events = step.As<EventsTold>()) {
      for (const Event& event : events->events) {
        if (!told.insert(event.seq).second) {
          found.Add("{} comes twice", Text(reference, event.seq));
        }
      }
    }
  });
  return found.Take();
}

namespace {

bool SameFacts(const Event& one, const Event& other) {
  const auto facts = [](const Event& event) {
    return std::tie(event.kind, event.pod_name, event.incarnation, event.cause, event.orphans,
                    event.work_key, event.fence, event.previous_owner);
  };
  return facts(one) == facts(other);
}

std::set<Incarnation> LivingAt(const Reference& reference, Seq seq) {
  std::set<Incarnation> living;
  for (const Event& event : reference.log) {
    if (event.seq > seq) break;
    if (event.kind == EventKind::kPodRegistered) living.insert(event.incarnation);
    if (event.kind == EventKind::kPodDied || event.kind == EventKind::kPodLeft) {
      living.erase(event.incarnation);
    }
  }
  return living;
}

void CheckSnapshot(const std::set<Incarnation>& pods, Position position, const Reference& reference,
                   Found& found) {
  const bool whole = !reference.log.empty() && reference.log.front().seq.value == 1;
  if (!whole || position.seq > HeadOf(reference)) return;
  const std::set<Incarnation> living = LivingAt(reference, position.seq);
  for (const Incarnation pod : living) {
    if (!pods.contains(pod)) {
      found.Add("the snapshot at {} is without incarnation {}, which lives there",
                position.seq.value, pod.value);
    }
  }
  for (const Incarnation pod : pods) {
    if (!living.contains(pod)) {
      found.Add("the snapshot at {} has incarnation {}, which does not live there",
                position.seq.value, pod.value);
    }
  }
}

void CheckEvents(const Step& step, const EventsTold& told, const Reference& reference,
                 Found& found) {
  std::set<Seq> seqs;
  for (const Event& event : told.events) {
    seqs.insert(event.seq);
    const Event* logged = reference.At(event.seq);
    if (logged && !SameFacts(*logged, event)) {
      found.Add("{} was told as {} {} of incarnation {}", Text(reference, event.seq),
                Name(event.kind), event.pod_name, event.incarnation.value);
    } else if (!logged && !reference.log.empty() && event.seq > HeadOf(reference)) {
      found.Add("event {} was told, and the log ends with {}", event.seq.value,
                HeadOf(reference).value);
    }
    if (!step.filter().Passes(logged ? *logged : event)) {
      found.Add("{} does not pass the filter", Text(reference, event.seq));
    }
  }
  if (seqs.empty() && !step.before) return;
  const Seq after = step.before ? step.before->seq : Seq{seqs.begin()->value - 1};
  for (const Seq seq : reference.Passing(step.filter(), after, told.position.seq)) {
    if (!seqs.contains(seq)) {
      found.Add("{} is missing between {} and {}", Text(reference, seq), after.value,
                told.position.seq.value);
    }
  }
}

}  // namespace

Violations Reliable(const History& history, const Reference& reference) {
  Found found;
  std::set<Incarnation> pods;
  std::optional<Position> stands;  // over the end of a subscription, too
  EventFilter filter;
  Walk(history, reference, [&](const Step& step) {
    if (const auto* opened = step.As<Opened>()) {
      const auto* after = std::get_if<Position>(&opened->start);
      if (after && stands && after->seq > stands->seq) {
        found.Add("goes on after {}, and was told up to {}", after->seq.value, stands->seq.value);
      }
      pods.clear();
      filter = opened->filter;
      stands = Begins(opened->start, reference);
    } else if (const auto* part = step.As<SnapshotTold>()) {
      pods.insert(part->pods.begin(), part->pods.end());
      if (part->position && step.filter().empty() && !reference.only_events) {
        CheckSnapshot(pods, *part->position, reference, found);
      }
    } else if (const auto* told = step.As<EventsTold>()) {
      CheckEvents(step, *told, reference, found);
    }
    if (const auto told = Tells(step.record); told && !step.As<Ended>()) stands = told;
  });
  if (!reference.through) return found.Take();
  if (!stands) {
    found.Add("nothing was told, and the log ends with {}", reference.through.value);
  } else if (const auto missing = reference.Passing(filter, stands->seq, reference.through);
             !missing.empty()) {
    found.Add("{} of {} events were never told after {}, from {} on", missing.size(),
              reference.through.value - stands->seq.value, stands->seq.value,
              Text(reference, missing.front()));
  }
  return found.Take();
}

Violations Atomic(const History& history, const Reference& reference) {
  Found found;
  Seq last_end;  // of the transaction whose event was told last
  Walk(history, reference, [&](const Step& step) {
    if (step.As<Opened>()) last_end = {};
    const auto cursor = Tells(step.record);
    const Event* at = cursor ? reference.At(cursor->seq) : nullptr;
    if (at && at->transaction_end != at->seq && !Contradicts(reference, *cursor)) {
      found.Add("the cursor at {} is inside the transaction that ends with {}", at->seq.value,
                at->transaction_end.value);
    }
    const auto* told = step.As<EventsTold>();
    if (!told || told->events.empty()) return;
    const auto end_of = [&](const Event& event) {
      const Event* logged = reference.At(event.seq);
      return logged ? logged->transaction_end : event.transaction_end;
    };
    if (last_end && end_of(told->events.front()) == last_end) {
      found.Add("the transaction that ends with {} comes in two deliveries", last_end.value);
    }
    last_end = end_of(told->events.back());
  });
  return found.Take();
}

Violations Resumable(const History& history, const Reference& reference) {
  Found found;
  bool first = false;
  Walk(history, reference, [&](const Step& step) {
    if (const auto* opened = step.As<Opened>()) {
      first = std::holds_alternative<Position>(opened->start);
      return;
    }
    const auto told = Tells(step.record);
    if (!step.opened || !told) return;
    const auto* resumed = std::get_if<Position>(&step.opened->start);
    if (!resumed) return;
    if (told->seq < resumed->seq) {
      found.Add("after a resume at {} comes the cursor {}", resumed->seq.value, told->seq.value);
    } else if (told->seq == resumed->seq && told->mark != resumed->mark) {
      found.Add("after a resume at {} comes a cursor of another log there", resumed->seq.value);
    }
    const auto* events = step.As<EventsTold>();
    if (!events || events->events.empty()) return;
    const Seq front = events->events.front().seq;
    if (front <= resumed->seq) {
      found.Add("after a resume at {} comes {}, which lies before", resumed->seq.value,
                Text(reference, front));
    }
    if (!std::exchange(first, false) || front <= resumed->seq) return;
    const auto skipped = reference.Passing(step.filter(), resumed->seq, Seq{front.value - 1});
    if (!skipped.empty()) {
      found.Add("after a resume at {} comes {} first, and not {}", resumed->seq.value,
                Text(reference, front), Text(reference, skipped.front()));
    }
  });
  return found.Take();
}

}  // namespace vigil::history
