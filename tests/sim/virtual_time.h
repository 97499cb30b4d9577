// The one time of a simulation, and the machines that each see it through a clock of their own.
// Tests of one coordinator turn a single exact clock by hand (support/simulated_time.h).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "sim/chance.h"

namespace vigil::sim {

class Machine;

// Runs what is due in the order of time, and of asking where times are equal. Nothing else happens
// in the simulation.
class VirtualTime {
 public:
  struct Entry {
    // Null for what belongs to no process: the network and the database.
    Machine* machine = nullptr;
    // Empty when it was cancelled.
    std::function<void()> callback;
    // It came over a network.
    bool arrived = false;
  };

  Instant Now() const { return now_; }

  std::shared_ptr<Entry> At(Instant when, Entry entry);
  void After(Duration delay, std::function<void()> callback) {
    At(now_ + delay, {nullptr, std::move(callback), false});
  }

  // Runs the next callback that is due until `end`. False when there is none; then it is `end`.
  bool Step(Instant end);

  // Forgets all that is due, and what that leads to.
  void Clear();

  // The machine whose callback, or whose request to the database, runs just now. Null for neither.
  const Machine* acting() const { return acting_; }
  void ActFor(const Machine* machine) { acting_ = machine; }

 private:
  friend class Machine;
  struct Due {
    Instant when;
    uint64_t number = 0;
    std::shared_ptr<Entry> entry;
    bool operator>(const Due& other) const {
      return when != other.when ? when > other.when : number > other.number;
    }
  };

  Instant now_{std::chrono::hours(1)};
  uint64_t asked_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  const Machine* acting_ = nullptr;
};

// One process: its clock, which runs at a rate of its own from a beginning of its own, and its
// scheduler. Frozen, its clock goes on and nothing runs; what fell due meanwhile is run when it
// goes on, timers first. Killed, nothing runs any more.
class Machine final : public Clock, public Scheduler {
 public:
  Machine(VirtualTime& time, std::string name, Chance chance);

  const std::string& name() const { return name_; }

  Instant Now() const override { return LocalAt(time_.Now()); }
  void Post(std::function<void()> callback) override;
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override;

  // Runs `callback` here when something arrives at this true time.
  void Arrive(Instant when, std::function<void()> callback);

  void Freeze();
  void GoOn();
  void Kill();
  bool dead() const { return dead_; }

  // While a lane's transaction runs, what it posts is its answer, which is under way for so long.
  void AnswersTake(Duration delay) { answer_delay_ = delay; }

  // --- For those who look at all machines from outside.
  Instant LocalAt(Instant true_time) const;
  Instant started() const { return started_; }
  struct Freezing {
    Instant from;
    Instant until;
  };
  // The last freeze that was longer than `length`; at the beginning of time if none was.
  Freezing LastFreezing(Duration length) const;
  Instant LastFrozenLongerThan(Duration length) const { return LastFreezing(length).until; }

 private:
  friend class VirtualTime;
  class MachineTimer;

  VirtualTime& time_;
  const std::string name_;
  Chance chance_;
  const Instant started_;
  Duration ahead_;
  // Parts in a million by which the clock is too fast.
  int64_t fast_;
  bool frozen_ = false;
  bool dead_ = false;
  Duration answer_delay_{};
  std::deque<std::shared_ptr<VirtualTime::Entry>> held_;
  std::vector<Freezing> freezings_;
};

}  // namespace vigil::sim
