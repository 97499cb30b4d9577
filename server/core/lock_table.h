// Keeps the database's lock table from filling up.
//
// Every pod has a lock, and the table is one for the whole database cluster. When it is full, not
// only the next lock fails: probes do, and Postgres refuses new connections, so that nobody can
// take locks again that a restart has freed. So new pods are refused while there is room for what
// is there to move. Rejected: to count the pods of this coordinator alone, since others fill the
// table, too.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "core/errors.h"

namespace vigil {

// Of the whole database cluster.
struct LockTable {
  uint64_t in_use = 0;
  // How many it is guaranteed to hold. 0: no limit is known.
  uint64_t size = 0;
};

// Runs on one thread. Invariants:
//  1. New pods are refused from `percent` of the table on, counting what was taken here since the
//  locks were last counted.   (P11)
//  2. A pod that moves is refused only at all of it: its old lock is let go in a moment, and
//  without a new one it is LOST.   (P9)
class LockTableGuard {
 public:
  explicit LockTableGuard(int percent) : percent_(static_cast<uint64_t>(percent)) {}

  void Read(const LockTable& table) {
    table_ = table;
    taken_before_ = 0;
    taken_ = 0;
  }

  // As it was read by another coordinator, or in a turn before this one: what was taken here since
  // we last read or heard of it may not be in it.
  void Heard(const LockTable& table) {
    table_ = table;
    taken_before_ = std::exchange(taken_, 0);
  }

  // The database itself said that it is full.
  void Full() {
    table_.size = std::max<uint64_t>(table_.size, 1);
    table_.in_use = std::max(table_.in_use, table_.size);
  }

  void Took() { ++taken_; }

  // From which on new pods are refused; 0 when no limit is known.
  uint64_t limit() const { return table_.size * percent_ / 100; }

  std::optional<Error> RefusesNew() const { return RefusesFrom(percent_); }
  std::optional<Error> RefusesMoved() const { return RefusesFrom(100); }

 private:
  std::optional<Error> RefusesFrom(uint64_t percent) const {
    const uint64_t in_use = table_.in_use + taken_before_ + taken_;
    if (table_.size == 0 || in_use * 100 < table_.size * percent) return std::nullopt;
    Error error =
        LimitReached("lock-table-percent",
                     "the database's lock table is filling up: " + std::to_string(in_use) + " of " +
                         std::to_string(table_.size) + " locks that it guarantees are in use");
    error.hint =
        "Raise max_locks_per_transaction of PostgreSQL and restart it, or end pods; every "
        "coordinator of this database refuses new ones.";
    return error;
  }

  const uint64_t percent_;
  LockTable table_;
  uint64_t taken_before_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace vigil
