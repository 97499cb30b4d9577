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
  listener_ = database_.Listen([this] { Wake(); });
  ReadHistory();
  PollRegularly();
}

void EventLog::ReadHistory() {
  Ask<History>(
      lane_, scheduler_, [](Store& store) { return store.ReadHistory(); },
      [this](const Result<History>& read) {
        if (read) history_ = *read;
      });
}

void EventLog::PollRegularly() {
  if (!history_) ReadHistory();
  Wake();
  poll_timer_ = scheduler_.After(poll_interval_, [this] { PollRegularly(); });
}

void EventLog::Wake() {
  if (feeds_.empty()) return;
  if (std::exchange(reading_, true)) {
    again_ = true;
    return;
  }
  std::vector<std::string> namespaces;
  for (const auto& [ns, feed] : feeds_) namespaces.push_back(ns);
  if (namespaces.size() == 1) {
    ReadNext(std::move(namespaces));
    return;
  }
  // With many namespaces the heads tell in one round trip which have something new.
  const Instant asked = clock_.Now();
  Ask<std::vector<LogBounds>>(
      lane_, scheduler_, [namespaces](Store& store) { return store.ReadBounds(namespaces); },
      [this, namespaces, asked](const Result<std::vector<LogBounds>>& bounds) {
        std::vector<std::string> changed;
        for (size_t i = 0; bounds && i < namespaces.size(); ++i) {
          const auto feed = feeds_.find(namespaces[i]);
          if (feed == feeds_.end()) continue;
          if ((*bounds)[i].head > feed->second.position) {
            changed.push_back(namespaces[i]);
          } else {
            feed->second.reading = {(*bounds)[i].head, asked};
          }
        }
        ReadNext(std::move(changed));
      });
}

void EventLog::ReadNext(std::vector<std::string> namespaces) {
  while (!namespaces.empty() && !feeds_.contains(namespaces.back())) namespaces.pop_back();
  if (namespaces.empty()) {
    reading_ = false;
    if (std::exchange(again_, false)) Wake();
    return;
  }
  const std::string ns = std::move(namespaces.back());
  namespaces.pop_back();
  const Instant asked = clock_.Now();
  Ask<EventPage>(
      lane_, scheduler_,
      [ns, after = feeds_.at(ns).position](Store& store) {
        return store.ReadEvents(ns, after, kPageSize);
      },
      [this, ns, asked, rest = std::move(namespaces)](const Result<EventPage>& page) mutable {
        if (page) {
          Took(ns, *page, asked);
        } else {
          log::Debug("The event log could not be read.", {{"error", page.error().message}});
        }
        ReadNext(std::move(rest));
      });
}

void EventLog::Took(const std::string& ns, const EventPage& page, Instant asked) {
  const auto found = feeds_.find(ns);
  if (found == feeds_.end()) return;
  Feed& feed = found->second;
  feed.reading = {page.bounds.head, asked};
  if (page.events.empty() || page.events.front().seq.value != feed.position.value + 1) return;
  feed.position = page.events.back().seq;
  if (feed.position < page.bounds.head) again_ = true;
  const auto batch = std::make_shared<const std::vector<Event>>(page.events);
  // A follower may leave while it is served, and its place in the map with it.
  std::vector<LogFollower*> followers;
  for (const auto& [follower, served] : feed.followers) followers.push_back(follower);
  for (LogFollower* follower : followers) {
    const auto feed_now = feeds_.find(ns);
    if (feed_now == feeds_.end()) return;
    const auto entry = feed_now->second.followers.find(follower);
    if (entry == feed_now->second.followers.end()) continue;
    const Seq served = std::exchange(entry->second, std::max(entry->second, batch->back().seq));
    if (served.value + 1 <= batch->front().seq.value) {
      follower->OnEvents(batch);
    } else if (served < batch->back().seq) {
      // It attached ahead of the reader: it has the beginning of this batch already.
      const auto fresh = std::find_if(batch->begin(), batch->end(),
                                      [&](const Event& event) { return event.seq > served; });
      follower->OnEvents(std::make_shared<const std::vector<Event>>(fresh, batch->end()));
    }
  }
}

bool EventLog::Attach(const std::string& ns, Seq after, LogFollower* follower) {
  const auto [found, first] = feeds_.try_emplace(ns);
  Feed& feed = found->second;
  if (first) {
    feed.position = after;
    feed.reading = {after, clock_.Now()};
  }
  if (after < feed.position) return false;
  feed.followers.emplace(follower, after);
  // What was committed since `after` was read woke nobody here.
  Wake();
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
