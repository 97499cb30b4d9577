#include "coordinator/overviews.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace vigil {

void Overviews::Get(const std::string& ns, Then<Text> then) {
  Entry* entry = Find(ns);
  if (entry == nullptr || entry->waiting.size() >= kMostWaiting) {
    env_.scheduler.Post([then = std::move(then)] {
      then(Fail(LimitReached("overviews", "too many are looking at overviews")));
    });
    return;
  }
  if (entry->answer && env_.clock.Now() - entry->asked < kFresh) {
    env_.scheduler.Post([answer = *entry->answer, then = std::move(then)] { then(answer); });
    return;
  }
  entry->waiting.push_back(std::move(then));
  if (entry->waiting.size() > 1) return;
  wanted_.push_back(ns);
  if (wanted_.size() == 1) ReadNext();
}

Overviews::Entry* Overviews::Find(const std::string& ns) {
  if (const auto found = entries_.find(ns); found != entries_.end()) return &found->second;
  if (entries_.size() >= kMostNamespaces) {
    // One that was not asked for recently makes room.
    const auto oldest = std::ranges::min_element(entries_, {}, [](const auto& entry) {
      const Entry& one = entry.second;
      return std::pair(!one.waiting.empty(), one.asked);
    });
    if (!oldest->second.waiting.empty()) return nullptr;
    entries_.erase(oldest);
  }
  return &entries_[ns];
}

void Overviews::ReadNext() {
  if (wanted_.empty()) return;
  const std::string ns = wanted_.front();
  entries_[ns].asked = env_.clock.Now();
  entries_[ns].answer.reset();
  Ask<Text>(
      env_.lane, env_.scheduler,
      [ns, write = env_.write, subscribers = env_.subscribers()](Store& store) {
        return store.ReadOverview(ns, {}).transform([&](const Overview& overview) {
          return std::make_shared<const std::string>(write(ns, overview, subscribers));
        });
      },
      [this, ns](const Result<Text>& answer) {
        wanted_.pop_front();
        Answered(ns, answer);
        ReadNext();
      });
}

void Overviews::Answered(const std::string& ns, const Result<Text>& answer) {
  Entry& entry = entries_[ns];
  entry.answer = answer;
  for (const auto& then : std::exchange(entry.waiting, {})) then(answer);
}

}  // namespace vigil
