// The pod's standing, for any thread to ask.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "mutex.h"
#include "vigil/pod_session.h"

namespace vigil::client {

// Holds the last standing that was published, and judges it by the clock when it is read: a reader
// that finds the lease ended says LOST before the keeper has noticed, and from then on nobody can
// take that back.
//
// The deadline is one atomic number, so that AliveUntil needs no lock: a thread that is stuck,
// wherever it is, cannot keep another one from the answer. The particulars stand behind a mutex
// that is held while one pointer is copied, and never while anything is allocated or called.
//
// Thread safety: everything may be called from any thread.
class StandingCell {
 public:
  // False when a reader has seen LOST already and `standing` says that the pod is alive: then
  // nothing changes.
  bool Publish(Standing standing) {
    const std::int64_t deadline =
        standing.alive() ? standing.alive_until.time_since_epoch().count() : kNotAlive;
    auto published = std::make_shared<const Standing>(std::move(standing));
    MutexLock lock(mutex_);
    std::int64_t seen = deadline_.load();
    do {
      if (seen == kLost && deadline != kNotAlive) return false;
    } while (seen != kLost && !deadline_.compare_exchange_weak(seen, deadline));
    standing_.swap(published);  // the old one is destroyed after the lock
    return true;
  }

  // Until when the pod may believe itself alive, judged at `now`. Lock-free.
  std::optional<Time> AliveUntil(Time now) const {
    std::int64_t deadline = deadline_.load();
    do {
      if (deadline == kNotAlive || deadline == kLost) return std::nullopt;
      if (now < Time(Duration(deadline))) return Time(Duration(deadline));
    } while (!deadline_.compare_exchange_weak(deadline, kLost));
    return std::nullopt;
  }

  Standing Read(Time now) const {
    const auto [published, alive] = Look(now);
    Standing standing = *published;
    if (standing.alive() && !alive) standing.state = SelfState::kLost;
    return standing;
  }

 private:
  // No moment after boot: a deadline is positive.
  static constexpr std::int64_t kNotAlive = 0;
  static constexpr std::int64_t kLost = -1;
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);

  std::pair<std::shared_ptr<const Standing>, bool> Look(Time now) const {
    MutexLock lock(mutex_);
    return {standing_, AliveUntil(now).has_value()};
  }

  mutable std::atomic<std::int64_t> deadline_ = kNotAlive;
  mutable Mutex mutex_;
  std::shared_ptr<const Standing> standing_ VIGIL_GUARDED_BY(mutex_) =
      std::make_shared<const Standing>();
};

}  // namespace vigil::client
