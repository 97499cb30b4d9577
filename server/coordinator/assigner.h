// Gives the work that nobody has to those who shall have it: the policy ASSIGN.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "store/lane.h"
#include "store/records.h"

namespace vigil {

// Looks where pods have ended just now, and sweeps through all namespaces that have something to
// give away, every interval: so it finds what a coordinator left that was lost after a verdict,
// what was released, and what waited for a pod that matches.
//
// Every coordinator has one. They need not agree: the store gives each item to one pod, and what
// one of them has at hand the others pass over.
//
// Runs on the loop's thread, its transactions in a lane of its own, one at a time and each of a
// bounded number of items. After each it pauses for at least as long as that one took, so that the
// end of a thousand pods never has more than half of one connection's share of the database. The
// namespaces take turns, and the sweep's next page is one of those who wait for theirs.
//
// It promises no time: what it failed to do, and what did not fit in its queue, is the next
// sweep's.
class Assigner {
 public:
  // `committed` is called after each transaction that wrote events.
  Assigner(Lane& lane, Scheduler& scheduler, const Clock& clock, Duration interval, uint64_t seed,
           std::function<void()> committed);

  void Start();

  // Pods of this namespace have ended.
  void Look(const std::string& ns);

 private:
  // A namespace, or the sweep's next page.
  using Turn = std::optional<std::string>;

  void SweepLater();
  void Queue(Turn turn);
  void TakeTurn();
  void ListMore();
  void Assign(const std::string& ns);
  // Runs `work`, then `then` with its outcome, and after a pause the next turn.
  template <typename T>
  void Carry(std::function<Result<T>(Store&)> work, Then<T> then);

  Lane& lane_;
  Scheduler& scheduler_;
  const Clock& clock_;
  const Duration interval_;
  std::mt19937_64 random_;
  const std::function<void()> committed_;
  // Each at most once.
  std::deque<Turn> turns_;
  // The last namespace that this sweep has listed.
  std::string listed_;
  // A transaction is under way, or the pause after it.
  bool busy_ = false;
  // The last attempt failed, which was logged.
  bool failing_ = false;
  std::unique_ptr<Timer> sweep_timer_;
  std::unique_ptr<Timer> pause_timer_;
};

}  // namespace vigil
