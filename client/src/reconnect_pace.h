// When a subscription tries again, without a network or a clock.
#pragma once

#include <algorithm>
#include <utility>

#include "backoff.h"
#include "vigil/boot_clock.h"

namespace vigil::client {

// Attempts are spaced from the *start* of the one before: a stream that was healthy for long is
// resumed at once, one that breaks at once is resumed slowly. A stream that delivers something and
// breaks again and again does not start the spacing anew each time: only one that lived for
// kHealthy does.
//
// What ends the streams of all who follow a coordinator is answered by each at a moment of its own
// within kSpread, so that they do not all knock at the next one in the same millisecond.
//
// Thread: none of its own; one caller at a time. `now` never goes back.
class ReconnectPace {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds(100);
  static constexpr Duration kMost = std::chrono::seconds(10);
  static constexpr Duration kHealthy = std::chrono::seconds(10);
  static constexpr Duration kSpread = std::chrono::milliseconds(200);

  // Whom the end of a stream concerns.
  enum class Concerns { kAll, kThisOne };

  explicit ReconnectPace(Random random) : random_(std::move(random)) {}

  void OnAttempt(Time now) { started_ = now; }

  // The attempt is over; says when the next one may begin.
  Time OnEnd(Time now, Concerns concerns) {
    failures_ = now - started_ >= kHealthy ? 0 : std::min(failures_ + 1, kManyFailures);
    const Duration gap = Backoff(kFirst, kMost, failures_ == 0 ? 0 : failures_ - 1, random_);
    const Time paced = std::max(now, started_ + gap);
    if (concerns == Concerns::kThisOne) return paced;
    return std::max(paced, now + std::chrono::duration_cast<Duration>(kSpread * random_()));
  }

 private:
  // From here on the gap has its full length; more need not be counted.
  static constexpr unsigned kManyFailures = 16;

  const Random random_;
  Time started_{};
  unsigned failures_ = 0;
};

}  // namespace vigil::client
