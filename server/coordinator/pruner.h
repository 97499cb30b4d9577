// Deletes what is old: events, pods and coordinators that have ended, completed work items.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "store/lane.h"
#include "store/records.h"

namespace vigil {

// Sweeps through all namespaces, again and again while there is more, and then rests for an
// interval. Every coordinator has one: they need not agree, since the store lets several prune at
// once. What the least generous of them keeps is what is kept.
//
// Runs on the loop's thread, its transactions in a lane of its own, one at a time and each of a
// bounded number of rows. After each it pauses for at least as long as that one took, so that it
// never has more than half of one connection's share of the database.
//
// It promises no time: what is old goes when its turn comes.
class Pruner {
 public:
  Pruner(Lane& lane, Scheduler& scheduler, const Clock& clock, const Retention& retention,
         Duration interval, uint64_t seed);

  void Start();

 private:
  using Step = void (Pruner::*)();

  void SweepLater();
  void Sweep();
  void PruneCoordinators();
  void PruneNextNamespace();
  void ListNamespaces();
  void PruneNamespace();
  // Leaves the namespace at hand to the next sweep.
  void SkipNamespace();
  // Runs `work`, and when it succeeded `then`, which names the next step of the sweep.
  template <typename T>
  void Carry(std::function<Result<T>(Store&)> work, std::function<Step(T)> then,
             Step otherwise = &Pruner::SweepLater);

  Lane& lane_;
  Scheduler& scheduler_;
  const Clock& clock_;
  const Retention retention_;
  const Duration interval_;
  std::mt19937_64 random_;
  // Of this sweep: the namespaces that were listed and not pruned yet, and the last one listed.
  std::deque<std::string> namespaces_;
  std::string listed_;
  // Rounds that the namespace at hand has had in it, and whether one had more to do than that.
  int rounds_ = 0;
  bool unfinished_ = false;
  // The last attempt failed, which was logged.
  bool failing_ = false;
  std::unique_ptr<Timer> timer_;
};

}  // namespace vigil
