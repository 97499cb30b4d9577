// Time that a test turns by hand: a clock and a scheduler on which the real coordinator runs, on
// one thread and without waiting.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/loop.h"
#include "store/database.h"
#include "store/lane.h"

namespace vigil {

// A clock that stands still until the scheduler moves it.
class SimulatedClock final : public Clock {
 public:
  Instant Now() const override { return now_; }
  void MoveTo(Instant now) { now_ = now; }

 private:
  Instant now_{std::chrono::hours(1)};
};

// Runs callbacks in the order of their times, and of their asking where times are equal.
class SimulatedScheduler final : public Scheduler {
 public:
  explicit SimulatedScheduler(SimulatedClock& clock) : clock_(clock) {}

  void Post(std::function<void()> callback) override;
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override;

  // Runs everything that falls due within `duration`, moving the clock along.
  void Advance(Duration duration);

  // Runs what is due now.
  void Settle() { Advance(Duration::zero()); }

  // The process stands still: time passes and nothing runs. What fell due is run at the next turn.
  void Freeze(Duration duration) { clock_.MoveTo(clock_.Now() + duration); }

  // What is posted from now on falls due so much later.
  void DelayPosts(Duration delay) { post_delay_ = delay; }

 private:
  using Key = std::pair<Instant, uint64_t>;
  class SimulatedTimer;

  SimulatedClock& clock_;
  Duration post_delay_{};
  std::map<Key, std::function<void()>> due_;
  uint64_t asked_ = 0;
};

// Runs each transaction as a callback of its own.
class SimulatedLane final : public Lane {
 public:
  SimulatedLane(Database& database, SimulatedScheduler& scheduler)
      : scheduler_(scheduler), store_(database.OpenStore(std::chrono::seconds(5))) {}

  bool Enqueue(std::function<void(Store&)> work) override {
    scheduler_.DelayPosts(std::exchange(next_stall_, {}));
    scheduler_.Post([this, work = std::move(work)] {
      scheduler_.DelayPosts(answer_delay_);
      work(*store_);
      scheduler_.DelayPosts({});
    });
    scheduler_.DelayPosts({});
    return true;
  }

  // A transaction's outcome becomes known so much later than it is there.
  void DelayAnswers(Duration delay) { answer_delay_ = delay; }

  // The next transaction is carried out so much later, and those after it pass it by, as they do
  // in a lane of several threads.
  void StallNext(Duration stall) { next_stall_ = stall; }

  const std::string& name() const override { return name_; }

 private:
  SimulatedScheduler& scheduler_;
  Duration answer_delay_{};
  Duration next_stall_{};
  const std::unique_ptr<Store> store_;
  const std::string name_ = "simulated";
};

}  // namespace vigil
