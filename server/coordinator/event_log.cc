#include "coordinator/event_log.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace vigil {
namespace {

constexpr uint32_t kPageSize = 512;
// Of each log that is followed, for those who join.
constexpr size_t kRecentBatches = 256;
constexpr size_t kRecentBytes = 128 * 1024;
// The log is not being read when so many polls, or commits, have not been answered.
constexpr int kUnreadIntervals = 4;

}  // namespace

EventLog::EventLog(const Environment& environment, const CoordinatorSettings& settings)
    : env_(environment),
      poll_interval_(settings.log_poll_interval),
      unread_(kUnreadIntervals *
              std::max(settings.log_poll_interval, settings.timing.ping_interval)),
      give_up_(settings.log_give_up) {}

void EventLog::Start() {
  listener_ = env_.database.Listen([this](const std::optional<LogHead>& head) {
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
  poll_timer_ = env_.scheduler.After(poll_interval_, [this] { PollRegularly(); });
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
  Serve(ns, written.events);
}

void EventLog::Want(const std::string& ns, Feed& feed) {
  if (!std::exchange(feed.wanted, true)) wanted_.push_back(ns);
}

void EventLog::ReadOn() {
  while (!reading_since_ && !wanted_.empty()) {
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
  std::vector<std::string> namespaces;
  for (const auto& [ns, feed] : feeds_) namespaces.push_back(ns);
  const Instant asked = env_.clock.Now();
  reading_since_ = asked;
  Ask<std::vector<LogBounds>>(
      env_.lane, env_.scheduler,
      [namespaces](Store& store) { return store.ReadBounds(namespaces); },
      [this, namespaces, asked](const Result<std::vector<LogBounds>>& bounds) {
        Answered(asked, bounds ? nullptr : &bounds.error());
        for (size_t i = 0; bounds && i < namespaces.size(); ++i) {
          const auto found = feeds_.find(namespaces[i]);
          if (found == feeds_.end()) continue;
          const auto& [start, head] = (*bounds)[i];
          // Whoever is ahead of the head stands on what is lost.
          const bool ahead = std::ranges::any_of(
              found->second.followers,
              [head = head.seq](const auto& follower) { return follower.second.seq > head; });
          if (head != found->second.position || ahead) {
            Want(found->first, found->second);
          } else {
            found->second.reading = {{start.seq.value + 1}, head.seq, asked};
            found->second.read_to_end = asked;
          }
        }
        ReadOn();
      });
}

void EventLog::ReadEvents(const std::string& ns, Position after) {
  const Instant asked = env_.clock.Now();
  reading_since_ = asked;
  Ask<EventPage>(
      env_.lane, env_.scheduler,
      [ns, after](Store& store) { return store.ReadEvents(ns, after, kPageSize); },
      [this, ns, after, asked](const Result<EventPage>& page) {
        Answered(asked, page ? nullptr : &page.error());
        if (page) Took(ns, after, *page, asked);
        ReadOn();
      });
}

void EventLog::Answered(Instant asked, const Error* error) {
  reading_since_.reset();
  if (!error) answered_ = asked;
  if (failing_ == (error != nullptr)) return;
  failing_ = error != nullptr;
  if (error) {
    log::Failed("The event log cannot be read; subscribers stay and are told its age.", *error);
  } else {
    log::Info("The event log is read again.");
  }
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
  feed.reading = {page.oldest, page.head, asked};
  if (page.events.empty() || page.events.back().seq >= page.head) {
    feed.read_to_end = asked;
    // What it has was in a log that was longer.
    LetGo(ns, [head = page.head](const Position& served) { return served.seq > head; });
  } else {
    Want(ns, feed);
  }
  if (!page.events.empty()) Serve(ns, page.events);
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

void EventLog::Serve(const std::string& ns, const std::vector<Event>& events) {
  for (const auto& batch : EventBatch::Split(ns, events)) Serve(ns, batch);
}

void EventLog::Serve(const std::string& ns, const std::shared_ptr<const EventBatch>& batch) {
  const auto feed = feeds_.find(ns);
  if (feed == feeds_.end()) return;
  env_.measures.Served(batch->events().size());
  Remember(feed->second, batch);
  feed->second.position = batch->end();
  // A follower may leave while it is served, and its place in the map with it.
  std::vector<LogFollower*> followers;
  for (const auto& [follower, served] : feed->second.followers) followers.push_back(follower);
  const auto& events = batch->events();
  for (LogFollower* follower : followers) {
    const auto feed_now = feeds_.find(ns);
    if (feed_now == feeds_.end()) return;
    const auto entry = feed_now->second.followers.find(follower);
    if (entry == feed_now->second.followers.end()) continue;
    const Position served = entry->second;
    if (served.seq > events.back().seq) continue;
    entry->second = batch->end();
    if (served.seq < events.front().seq) {
      follower->OnEvents(batch);
      continue;
    }
    // It has the beginning of this batch already, or that of another log.
    const auto rest = batch->After(served);
    if (!rest) {
      Detach(ns, follower);
      follower->OnDetached();
    } else if (!rest->events().empty()) {
      follower->OnEvents(rest);
    }
  }
}

void EventLog::Remember(Feed& feed, const std::shared_ptr<const EventBatch>& batch) {
  feed.recent.emplace_back(feed.position, batch);
  feed.recent_bytes += batch->bytes();
  while (feed.recent.size() > kRecentBatches || feed.recent_bytes > kRecentBytes) {
    feed.recent_bytes -= feed.recent.front().second->bytes();
    feed.recent.pop_front();
  }
}

std::optional<EventLog::Batches> EventLog::Since(const Feed& feed, Position after) {
  Batches since;
  for (auto recent = feed.recent.rbegin(); recent != feed.recent.rend(); ++recent) {
    const auto& [before, batch] = *recent;
    if (before.seq > after.seq) {
      since.push_front(batch);
      continue;
    }
    auto rest = batch;
    if (before != after) {
      // The same seq with another mark stands in another log.
      if (before.seq == after.seq) return std::nullopt;
      rest = batch->After(after);
      if (!rest) return std::nullopt;
    }
    if (!rest->events().empty()) since.push_front(rest);
    return since;
  }
  return std::nullopt;
}

std::optional<EventLog::Batches> EventLog::Attach(const std::string& ns, Position after,
                                                  const LogReading& reading,
                                                  LogFollower* follower) {
  // The time without anybody to read for is no silence of the log's.
  if (feeds_.empty()) answered_ = env_.clock.Now();
  const auto [found, first] = feeds_.try_emplace(ns);
  Feed& feed = found->second;
  if (first) {
    feed.position = after;
    feed.reading = reading;
    feed.read_to_end = env_.clock.Now();
  }
  // What was committed since `after` was read woke nobody here; and where the two do not agree, the
  // reader finds out whether it stands on what was lost.
  Wake();
  if (after == feed.position || after.seq > feed.position.seq) {
    feed.followers.emplace(follower, after);
    return Batches();
  }
  auto since = Since(feed, after);
  if (since) feed.followers.emplace(follower, feed.position);
  return since;
}

void EventLog::Detach(const std::string& ns, LogFollower* follower) {
  const auto found = feeds_.find(ns);
  if (found == feeds_.end()) return;
  found->second.followers.erase(follower);
  if (found->second.followers.empty()) feeds_.erase(found);
}

LogReading EventLog::LastReading(const std::string& ns) const {
  const auto found = feeds_.find(ns);
  return found == feeds_.end() ? LogReading{} : found->second.reading;
}

bool EventLog::Readable() const {
  const Instant now = env_.clock.Now();
  return now - env_.proof.sent() < unread_ && (feeds_.empty() || now - answered_ < unread_) &&
         !GaveUp();
}

LogStanding EventLog::standing() const {
  LogStanding standing;
  for (const auto& [ns, feed] : feeds_) {
    const uint64_t head = std::max(feed.reading.head, feed.position.seq).value;
    standing.head += head;
    standing.unread += head - feed.position.seq.value;
    standing.read_to_end =
        std::min(standing.read_to_end.value_or(feed.read_to_end), feed.read_to_end);
  }
  return standing;
}

bool EventLog::GaveUp() const {
  return reading_since_ && env_.clock.Now() - *reading_since_ > give_up_;
}

}  // namespace vigil
