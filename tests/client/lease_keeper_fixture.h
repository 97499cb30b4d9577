// A lease keeper under a simulated clock, and words for what its tests do to it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lease_keeper.h"

namespace vigil::client {

inline constexpr LeaseTerms kTerms{std::chrono::seconds(3), std::chrono::seconds(1),
                                   std::chrono::milliseconds(500)};

inline Error Broken() {
  return {Code::kUnavailable, Reason::kNone, "connection reset", "hint", {}};
}
inline Error Refusal(Reason reason) { return {Code::kUnavailable, reason, "refused", "hint", {}}; }
inline Error Ended(std::string cause) {
  return {Code::kFailedPrecondition,
          Reason::kIncarnationEnded,
          "ended",
          "hint",
          {{"cause", std::move(cause)}}};
}

// A keeper and its world: what it asked for is remembered until it is looked at.
class LeaseKeeperTest : public ::testing::Test {
 protected:
  void Begin(std::size_t addresses, Duration lease = {}) {
    keeper_.emplace(LeaseKeeper::Options{.addresses = addresses,
                                         .lease = lease,
                                         .watchdog = watchdog_,
                                         .random = [] { return 0.999; }},
                    now_);
  }

  // Registered at address 0, 10 ms after the beginning.
  void BeRegistered(std::size_t addresses = 3) {
    Begin(addresses);
    stream_ = Opened().stream;
    Pass(std::chrono::milliseconds(10));
    keeper_->OnHosted(stream_, now_, kTerms);
    Look();
    ASSERT_EQ(keeper_->state(), SelfState::kAlive);
  }

  // The first heartbeat is answered too, at the same moment.
  void BeHosted(std::size_t addresses = 3) {
    BeRegistered(addresses);
    Answer();
    Forget();
  }

  void Pass(Duration duration) { now_ += duration; }

  // Lets the time pass with all timers on the way, to `when` after the beginning.
  void RunTo(Duration when) {
    const Time end = Start() + when;
    for (auto wake = keeper_->next_wake(); wake && *wake <= end; wake = keeper_->next_wake()) {
      now_ = std::max(now_, *wake);
      keeper_->OnTimer(now_);
    }
    now_ = end;
  }

  // Moves what the keeper wants into `seen_`.
  void Look() {
    for (Action& each : keeper_->TakeActions()) seen_.push_back(std::move(each));
  }

  // The last action of a kind; it must be there, and is forgotten with all before it.
  template <class Kind>
  Kind Take() {
    Look();
    for (auto it = seen_.rbegin(); it != seen_.rend(); ++it) {
      if (const auto* found = std::get_if<Kind>(&*it)) {
        Kind taken = *found;
        seen_.erase(seen_.begin(), it.base());
        return taken;
      }
    }
    ADD_FAILURE() << "no such action";
    return Kind{};
  }

  action::Open Opened() { return Take<action::Open>(); }

  template <class Kind>
  std::size_t Count() {
    Look();
    return static_cast<std::size_t>(std::count_if(seen_.begin(), seen_.end(), [](const Action& a) {
      return std::holds_alternative<Kind>(a);
    }));
  }

  void Forget() {
    Look();
    seen_.clear();
  }

  // Answers the last heartbeat now.
  void Answer(LeaseKeeper::Answer answer = {.lease_granted = true}) {
    const auto heartbeat = Take<action::Heartbeat>();
    keeper_->OnHeartbeatAnswer(heartbeat.stream, now_, heartbeat.number, answer);
  }

  // The keeper asks the other address to take the pod, right now, and is never answered: the host
  // answers the heartbeat that went before, and is left with two thirds of that lease.
  void ExpectAMoveWithAWholeLease(std::size_t to, LeaseKeeper::Answer answer) {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    const Duration begin = Elapsed(now_);
    const auto last = Take<action::Heartbeat>();
    EXPECT_EQ(last.stream, stream_);
    EXPECT_EQ(Opened().address, to) << "right after the heartbeat";
    RunTo(begin + milliseconds(50));
    keeper_->OnHeartbeatAnswer(stream_, now_, last.number, answer);
    EXPECT_EQ(Elapsed(*keeper_->lease_until()), begin + seconds(3));
    RunTo(begin + milliseconds(999));
    EXPECT_EQ(Count<action::Heartbeat>(), 0U) << "none while the resume is unanswered";
    RunTo(begin + seconds(1));
    EXPECT_EQ(Take<action::Detach>().stream, stream_);
    EXPECT_EQ(*keeper_->lease_until() - now_, seconds(2));
  }

  // How often, in this time, the keeper turns to a host: it wants `Wanted` then, and `accept` lets
  // it be hosted. Nobody ever grants a lease.
  template <class Wanted, class Accept>
  int CountTurns(Duration time, const Accept& accept) {
    int turns = 0;
    const Time end = now_ + time;
    while (now_ < end && turns < 100) {
      if (Count<Wanted>() > 0) {
        ++turns;
        accept();
        Answer({.lease_granted = false});
      } else {
        now_ = *keeper_->next_wake();
        keeper_->OnTimer(now_);
        while (Count<action::Heartbeat>() > 0) Answer({.lease_granted = false});
      }
    }
    return turns;
  }

  static Time Start() { return Time(std::chrono::seconds(1000)); }
  Duration Elapsed(Time time) const { return time - Start(); }

  Duration watchdog_{};
  Time now_ = Start();
  std::optional<LeaseKeeper> keeper_;
  StreamId stream_;
  std::vector<Action> seen_;
};

}  // namespace vigil::client
