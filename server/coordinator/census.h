// Counts the work that waits for somebody, in the whole cluster.
#pragma once

#include <memory>
#include <random>

#include "base/clock.h"
#include "base/loop.h"
#include "store/counted.h"
#include "store/lane.h"

namespace vigil {

// Asks the database every few seconds, and rests for at least twenty times as long as the answer
// took: so it costs little, however much waits. While the database is away it keeps what it knew.
//
// Runs on the loop's thread, its query in a lane that nobody waits for.
class Census {
 public:
  Census(Lane& lane, Scheduler& scheduler, const Clock& clock, uint64_t seed)
      : lane_(lane), scheduler_(scheduler), clock_(clock), random_(seed) {}

  void Start() { CountLater({}); }

  const WaitingWork& waiting() const { return waiting_; }

 private:
  void CountLater(Duration rest);
  void Count();

  Lane& lane_;
  Scheduler& scheduler_;
  const Clock& clock_;
  std::mt19937_64 random_;
  WaitingWork waiting_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace vigil
