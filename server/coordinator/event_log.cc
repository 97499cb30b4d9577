#include "coordinator/event_log.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace vigil {
namespace {

constexpr uint32_t kPageSize = 512;

}  // namespace

EventLog::EventLog(Database& database, Lane& lane, Scheduler& scheduler, const Clock& clock,
                   Duration poll_interval)
    : database_(database),
      lane_(lane),
      scheduler_(scheduler),
      clock_(clock),
      poll_interval_(poll_interval) {}

void EventLog::Start() {
  listener_ = database_.Listen([this](const std::optional<LogHead>& head) {
    if (head) {
      Heard(*head);
    } else {
      Wake();
    }
  });
  PollRegularly();
}

void EventLog::PollRegularly() {
  Wake();
  poll_timer_ = scheduler_.After(poll_interval_, [this] { PollRegularly(); });
}

void EventLog::Wake() {
  if (!std::exchange(look_wanted_, true)) wanted_.push_back(std::nullopt);
  ReadOn();
}

void EventLog::Heard(const LogHead& head) {
  const auto found = feeds_.find(head.ns);
  if (found == feeds_.end() || found->second.position.seq >= head.head) return;
  Want(found->first, found->second);
  ReadOn();
}

void EventLog::Committed(const std::string& ns, const WrittenEvents& written) {
  const auto found = feeds_.find(ns);
  if (found == feeds_.end() || written.events.empty()) return;
  Feed& feed = found->second;
  if (written.before != feed.position) {
    Want(ns, feed);
    ReadOn();
    return;
  }
  feed.reading.head = std::max(feed.reading.head, written.events.back().seq);
  Serve(ns, feed, written.events);
}

void EventLog::Want(const std::string& ns, Feed& feed) {
  if (!std::exchange(feed.wanted, true)) wanted_.push_back(ns);
}

void EventLog::ReadOn() {
  while (!reading_ && !wanted_.empty()) {
    const std::optional<std::string> ns = std::move(wanted_.front());
    wanted_.pop_front();
    if (!ns) {
      look_wanted_ = false;
      Look();
      continue;
    }
    const auto found = feeds_.find(*ns);
    if (found == feeds_.end() || !std::exchange(found->second.wanted, false)) continue;
    ReadEvents(*ns, found->second.position);
  }
}

void EventLog::Look() {
  if (feeds_.empty()) return;
  if (feeds_.size() == 1) {
    Want(feeds_.begin()->first, feeds_.begin()->second);
    return;
  }
  reading_ = true;
  std::vector<std::string> namespaces;
  for (const auto& [ns, feed] : feeds_) namespaces.push_back(ns);
  const Instant asked = clock_.Now();
  Ask<std::vector<LogBounds>>(
      lane_, scheduler_, [namespaces](Store& store) { return store.ReadBounds(namespaces); },
      [this, namespaces, asked](const Result<std::vector<LogBounds>>& bounds) {
        for (size_t i = 0; bounds && i < namespaces.size(); ++i) {
          const auto found = feeds_.find(namespaces[i]);
          if (found == feeds_.end()) continue;
          if ((*bounds)[i].head != found->second.position) {
            Want(found->first, found->second);
          } else {
            found->second.reading = {found->second.position.seq, asked};
          }
        }
        reading_ = false;
        ReadOn();
      });
}

void EventLog::ReadEvents(const std::string& ns, Position after) {
  reading_ = true;
  const Instant asked = clock_.Now();
  Ask<EventPage>(
      lane_, scheduler_,
      [ns, after](Store& store) { return store.ReadEvents(ns, after, kPageSize); },
      [this, ns, after, asked](const Result<EventPage>& page) {
        if (page) {
          Took(ns, after, *page, asked);
        } else {
          log::Debug("The event log could not be read.", {{"error", page.error().message}});
        }
        reading_ = false;
        ReadOn();
      });
}

void EventLog::Took(const std::string& ns, Position after, const EventPage& page, Instant asked) {
  const auto found = feeds_.find(ns);
  if (found == feeds_.end()) return;
  Feed& feed = found->second;
  if (feed.position != after) {
    // Committed() was here while it was being read.
    Want(ns, feed);
    return;
  }
  if (page.expired) {
    log::Warning("The log does not have the position of its reader any more.", {{"namespace", ns}});
    LetGo(ns, [](const Position&) { return true; });
    return;
  }
  feed.reading = {page.head, asked};
  if (page.events.empty() || page.events.back().seq >= page.head) {
    // What it has was in a log that was longer.
    LetGo(ns, [head = page.head](const Position& served) { return served.seq > head; });
  } else {
    Want(ns, feed);
  }
  if (!page.events.empty() && feeds_.contains(ns)) Serve(ns, feed, page.events);
}

void EventLog::LetGo(const std::string& ns,
                     const std::function<bool(const Position& served)>& lost) {
  std::vector<LogFollower*> gone;
  for (const auto& [follower, served] : feeds_.at(ns).followers) {
    if (lost(served)) gone.push_back(follower);
  }
  for (LogFollower* follower : gone) {
    Detach(ns, follower);
    follower->OnDetached();
  }
}

void EventLog::Serve(const std::string& ns, Feed& feed, const std::vector<Event>& events) {
  feed.position = events.back().position();
  const auto batch = std::make_shared<const std::vector<Event>>(events);
  // A follower may leave while it is served, and its place in the map with it.
  std::vector<LogFollower*> followers;
  for (const auto& [follower, served] : feed.followers) followers.push_back(follower);
  for (LogFollower* follower : followers) {
    const auto feed_now = feeds_.find(ns);
    if (feed_now == feeds_.end()) return;
    const auto entry = feed_now->second.followers.find(follower);
    if (entry == feed_now->second.followers.end()) continue;
    const Position served = entry->second;
    if (served.seq > batch->back().seq) continue;
    entry->second = batch->back().position();
    if (served.seq < batch->front().seq) {
      follower->OnEvents(batch);
      continue;
    }
    // It has the beginning of this batch already, or that of another log.
    const auto last =
        batch->begin() + static_cast<std::ptrdiff_t>(served.seq.value - batch->front().seq.value);
    if (last->position() != served) {
      Detach(ns, follower);
      follower->OnDetached();
    } else if (last + 1 != batch->end()) {
      follower->OnEvents(std::make_shared<const std::vector<Event>>(last + 1, batch->end()));
    }
  }
}

bool EventLog::Attach(const std::string& ns, Position after, LogFollower* follower) {
  const auto [found, first] = feeds_.try_emplace(ns);
  Feed& feed = found->second;
  if (first) {
    feed.position = after;
    feed.reading = {after.seq, clock_.Now()};
  }
  // What was committed since `after` was read woke nobody here; and where the two do not agree, the
  // reader finds out whether it stands on what was lost.
  Wake();
  if (after.seq <= feed.position.seq && after != feed.position) return false;
  feed.followers.emplace(follower, after);
  return true;
}

void EventLog::Detach(const std::string& ns, LogFollower* follower) {
  const auto found = feeds_.find(ns);
  if (found == feeds_.end()) return;
  found->second.followers.erase(follower);
  if (found->second.followers.empty()) feeds_.erase(found);
}

EventLog::Reading EventLog::LastReading(const std::string& ns) const {
  const auto found = feeds_.find(ns);
  return found == feeds_.end() ? Reading{} : found->second.reading;
}

}  // namespace vigil
