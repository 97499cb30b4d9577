#include "history/validators.h"

#include <algorithm>
#include <map>
#include <utility>

#include "history/found.h"
#include "history/walk.h"

namespace vigil::history {
namespace {

// A cursor may claim anything.
constexpr uint64_t kLongestGap = 1'000'000;

}  // namespace

void Reference::GoOn(const Reference& later) {
  for (const Event& event : later.log) {
    if (log.empty() || event.seq > log.back().seq) log.push_back(event);
  }
  oldest = later.oldest;
  through = later.through;
}

const Event* Reference::At(Seq seq) const {
  if (log.empty() || seq < log.front().seq || seq > log.back().seq) return nullptr;
  return &log[seq.value - log.front().seq.value];
}

std::vector<Seq> Reference::Passing(const EventFilter& filter, Seq after, Seq end) const {
  std::vector<Seq> passing;
  end.value = std::min(end.value, after.value + kLongestGap);
  for (Seq seq{after.value + 1}; seq <= end; ++seq.value) {
    const Event* event = At(seq);
    if (filter.empty() || (event && filter.Passes(*event))) passing.push_back(seq);
  }
  return passing;
}

// --- The guarantees about what cursors, positions and ends say, and about bounds.

Violations Bookmarkable(const History& history, const Reference& reference) {
  Found found;
  Walk(history, reference, [&](const Step& step) {
    const auto cursor = Tells(step.record);
    if (cursor && Contradicts(reference, *cursor)) {
      found.Add("the cursor at {} is not of this log", cursor->seq.value);
    }
    if (cursor && step.before && cursor->seq < step.before->seq) {
      found.Add("the position goes back from {} to {}", step.before->seq.value, cursor->seq.value);
    }
    const auto* told = step.As<PositionTold>();
    if (!told) return;
    if (step.before) {
      const auto skipped = reference.Passing(step.filter(), step.before->seq, told->position.seq);
      if (!skipped.empty()) {
        found.Add("the position goes from {} to {} over {}, which was not told",
                  step.before->seq.value, told->position.seq.value,
                  Text(reference, skipped.front()));
      }
    }
    if (told->head < told->position.seq) {
      found.Add("the position is {} and the head is {}", told->position.seq.value,
                told->head.value);
    }
    if (HeadOf(reference) && told->head > HeadOf(reference)) {
      found.Add("the head is {}, and the log ends with {}", told->head.value,
                HeadOf(reference).value);
    }
    if (told->oldest && *told->oldest > Seq{told->head.value + 1}) {
      found.Add("the oldest event is {} and the head is {}", told->oldest->value, told->head.value);
    }
    if (told->oldest && !reference.log.empty() && *told->oldest > reference.oldest) {
      found.Add("the oldest event is {}, and the log has it from {} on", told->oldest->value,
                reference.oldest.value);
    }
  });
  return found.Take();
}

namespace {

// Whether the log is known to have this position.
bool Has(const Reference& reference, Position position) {
  const Event* event = reference.At(position.seq);
  return event && (!position.mark || event->mark == position.mark);
}

void CheckExpired(const Ended& end, const std::optional<Position>& stands,
                  const Reference& reference, Found& found) {
  if (end.position) found.Add("EXPIRED tells the position {}", end.position->seq.value);
  if (end.oldest && end.head && *end.oldest > Seq{end.head->value + 1}) {
    found.Add("EXPIRED tells the oldest event {} and the head {}", end.oldest->value,
              end.head->value);
  }
  if (!stands) return;
  const Seq oldest = end.oldest.value_or(reference.oldest);
  const bool there = Has(reference, *stands) || (!stands->seq && !reference.log.empty());
  if (there && stands->seq.value + 1 >= oldest.value) {
    found.Add("EXPIRED at {}, from where the log goes on", stands->seq.value);
  }
}

void CheckResumable(const Step& step, const Ended& end, const Reference& reference, Found& found) {
  const char* reason = *end.reason == EndReason::kLagged ? "LAGGED" : "DRAINING";
  if (!step.before) {
    const bool snapshot = step.opened && std::holds_alternative<FromNow>(step.opened->start);
    if (end.position && snapshot) {
      found.Add("{} in the middle of a snapshot tells the position {}", reason,
                end.position->seq.value);
    }
    return;
  }
  if (!end.position) {
    // Whoever begins with the oldest event and is told nothing begins anew.
    if (!step.before->seq && std::holds_alternative<FromOldest>(step.opened->start)) return;
    found.Add("{} tells no position to resume from, and the subscriber stands at {}", reason,
              step.before->seq.value);
    return;
  }
  const auto skipped = reference.Passing(step.filter(), step.before->seq, end.position->seq);
  if (end.position->seq < step.before->seq || !skipped.empty()) {
    found.Add("{} tells the position {}, and the subscriber stands at {}", reason,
              end.position->seq.value, step.before->seq.value);
  }
}

}  // namespace

Violations Explicit(const History& history, const Reference& reference) {
  Found found;
  Walk(history, reference, [&](const Step& step) {
    if (step.As<Opened>()) {
      if (step.opened) found.Add("a subscription follows one that has not ended");
      return;
    }
    if (!step.opened) {
      found.Add("something is told though no subscription is open");
      return;
    }
    const auto* end = step.As<Ended>();
    if (!end) return;
    if (!end->reason) {
      if (end->error.empty() && !end->broken) found.Add("a subscription ended without a reason");
      return;
    }
    if (*end->reason == EndReason::kExpired) {
      CheckExpired(*end, step.before, reference, found);
    } else {
      CheckResumable(step, *end, reference, found);
    }
  });
  return found.Take();
}

namespace {

void CheckTransactions(const Reference& reference, Found& found) {
  std::map<Seq, size_t> sizes;
  for (const Event& event : reference.log) ++sizes[event.transaction_end];
  for (const auto& [end, size] : sizes) {
    if (size > reference.bounds.transaction_events) {
      found.Add("the transaction that ends with {} has {} events", end.value, size);
    }
  }
}

}  // namespace

Violations Bounded(const History& history, const Reference& reference) {
  Found found;
  const Bounds& bounds = reference.bounds;
  const auto beyond = [](size_t value, size_t bound) { return bound != 0 && value > bound; };
  if (bounds.transaction_events != 0) CheckTransactions(reference, found);
  std::optional<Instant> last;  // of an open subscription
  const auto check_silence = [&](Instant until) {
    if (!last || bounds.silence == Duration::zero() || until - *last <= bounds.silence) return;
    found.Add("nothing was told for {:.3f} s",
              std::chrono::duration<double>(until - *last).count());
  };
  bool stalled = false;
  size_t since_stall = 0;  // told
  Walk(history, reference, [&](const Step& step) {
    const Instant at = step.record.at;
    if (!step.As<Stalled>()) check_silence(at);
    last = step.As<Ended>() ? std::nullopt : std::optional(at);
    if (step.As<Opened>()) stalled = false;
    if (step.As<Stalled>()) {
      stalled = true;
      since_stall = 0;
    }
    if (const auto* part = step.As<SnapshotTold>();
        part && beyond(part->pods.size(), bounds.snapshot_pods)) {
      found.Add("a part of a snapshot has {} pods", part->pods.size());
    }
    if (const auto* told = step.As<EventsTold>()) {
      since_stall += told->events.size();
      if (beyond(told->events.size(), bounds.events)) {
        found.Add("a delivery has {} events", told->events.size());
      }
      if (beyond(told->bytes, bounds.bytes)) found.Add("a delivery has {} bytes", told->bytes);
    }
    const auto* end = step.As<Ended>();
    const bool lagged = end && end->reason == EndReason::kLagged;
    if (lagged && stalled && beyond(since_stall, bounds.backlog)) {
      found.Add("{} events had waited for a subscriber when it was LAGGED", since_stall);
    }
  });
  if (reference.until) check_silence(*reference.until);
  return found.Take();
}

Violations Validate(const History& history, const Reference& reference) {
  using Validator = Violations (*)(const History&, const Reference&);
  constexpr std::pair<const char*, Validator> kValidators[] = {
      {"Ordered", Ordered},   {"Unique", Unique},       {"Reliable", Reliable},
      {"Atomic", Atomic},     {"Resumable", Resumable}, {"Bookmarkable", Bookmarkable},
      {"Explicit", Explicit}, {"Bounded", Bounded}};
  Violations all;
  for (const auto& [name, validator] : kValidators) {
    for (const std::string& violation : validator(history, reference)) {
      all.push_back(fmt::format("{}: {}", name, violation));
    }
  }
  return all;
}

}  // namespace vigil::history
