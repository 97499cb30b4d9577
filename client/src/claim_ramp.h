// How many orphans to ask for at once, and when, without a network, a thread or a clock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "backoff.h"
#include "vigil/boot_clock.h"

namespace vigil::client {

// At a death every survivor wakes in the same millisecond. Whoever asked for all that he could run
// would have most of it; so each begins with one, doubles for as long as there is more, and waits a
// random moment before each question, in which the others take their turn. When nothing is left it
// begins anew with one, at the next event or the next poll.
//
// Neither news of what is for others, nor what the runner itself gives back, makes it ask without
// rest: an empty answer is followed by a rest, which grows while one event after the other leads to
// nothing; so is whatever was given back, until something is completed.
//
// Thread: none of its own; one caller at a time.
class ClaimRamp {
 public:
  // As many as a coordinator gives at once.
  static constexpr std::uint32_t kMost = 100;
  // The longest random moment before a question.
  static constexpr Duration kSpread = std::chrono::milliseconds(20);
  // Rests grow from a random half to whole of this one.
  static constexpr Duration kFirstRest = std::chrono::milliseconds(200);
  // The longest that events are kept waiting for after empty answers.
  static constexpr Duration kLongestRest = std::chrono::seconds(2);

  // The first question comes at once, after a random moment.
  ClaimRamp(Duration poll_interval, Random random, Time now)
      : poll_interval_(poll_interval), random_(std::move(random)) {
    ask_at_ = now + Moment();
  }

  // Something may have become claimable.
  void Wake(Time now) {
    woken_ = true;
    failures_ = 0;
    ask_at_ = std::max(rest_until_, std::min(ask_at_, now + Moment()));
  }

  // When to ask, if there is room for anything. Nothing while a question is unanswered.
  std::optional<Time> ask_at() const { return asking_ ? std::nullopt : std::optional(ask_at_); }

  // The question goes out: for how many. REQUIRES: room > 0, and none is unanswered.
  std::uint32_t Ask(std::uint32_t room) {
    asking_ = true;
    hurried_ = std::exchange(woken_, false);
    return std::min({step_, room, kMost});
  }

  // An answer with fewer items than were asked for is no sign that there are no more: others may
  // have had some of them locked, and large ones come one by one.
  void OnAnswer(Time now, std::size_t given) {
    asking_ = false;
    failures_ = 0;
    if (given > 0) {
      step_ = std::min(step_ * 2, kMost);
      empty_ = 0;
      ask_at_ = std::max(rest_until_, now + Moment());
      return;
    }
    step_ = 1;
    if (!hurried_) empty_ = 0;
    Rest(now, Backoff(kFirstRest, kLongestRest, empty_++, random_));
    ask_at_ = woken_ ? rest_until_ : std::max(rest_until_, now + HalfToWhole());
  }

  void OnTrouble(Time now) {
    asking_ = false;
    woken_ = false;
    step_ = 1;
    ask_at_ = std::max(rest_until_, now + Backoff(kFirstRest, Longest(), failures_++, random_));
  }

  // The runner gives an item back, which it would be the first to have again.
  void OnGivenBack(Time now) {
    Rest(now, Backoff(kFirstRest, Longest(), given_back_++, random_));
    ask_at_ = std::max(ask_at_, rest_until_);
  }
  // It has completed one.
  void OnCompleted() { given_back_ = 0; }

 private:
  void Rest(Time now, Duration rest) { rest_until_ = std::max(rest_until_, now + rest); }
  Duration Longest() const { return std::max(poll_interval_, kFirstRest); }
  Duration Moment() const { return std::chrono::duration_cast<Duration>(kSpread * random_()); }
  Duration HalfToWhole() const {
    return std::chrono::duration_cast<Duration>(poll_interval_ * (0.5 + random_() / 2));
  }

  const Duration poll_interval_;
  const Random random_;
  std::uint32_t step_ = 1;
  unsigned failures_ = 0;
  // Answers in a row that had nothing although an event had led to the question.
  unsigned empty_ = 0;
  // Items that were given back since one was completed.
  unsigned given_back_ = 0;
  bool asking_ = false;
  // Since the last question went out.
  bool woken_ = false;
  // Before the last question went out.
  bool hurried_ = false;
  Time ask_at_{};
  Time rest_until_{};
};

}  // namespace vigil::client
