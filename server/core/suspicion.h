// Weighs weak suspicions: which of those that stand have stood for their grace.
//
// A free lock looks the same whether the pod died, its coordinator did, or Postgres restarted; only
// time tells them apart. Each observer counts that time on its own clock from when it first read
// this very suspicion, so that no two machines' clocks are compared. Rejected: comparing the
// database's clock with the time stamped on the suspicion; it is a wall clock and jumps.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/types.h"

namespace vigil {

// A suspicion is known by its number; a coordinator's, which has none, by the coordinator's number.
template <typename Key>
struct Standing {
  Key key;
  Duration grace{};
};

// Invariants:
//  1. A suspicion is due only after it was read in every observation for its whole grace.   (P1,
//  P7)
//  2. An observer that saw nothing of the database for `longest_gap` remembers nothing: it may have
//  been frozen, or cut off. What carrying out the verdicts of one observation takes is no such
//  gap, while the database goes on answering.   (P2, P9, P10)
template <typename Key>
class SuspicionTracker {
 public:
  explicit SuspicionTracker(Duration longest_gap) : longest_gap_(longest_gap) {}

  // The database has answered this observer. Returns how many suspicions are forgotten, since the
  // last answer was too long ago.
  size_t Saw(Instant now) {
    const bool blind = last_seen_ && now - *last_seen_ > longest_gap_;
    last_seen_ = now;
    return blind ? std::exchange(first_read_, {}).size() : 0;
  }

  // Takes what stands now and returns those that are due. One that is missing is forgotten.
  std::vector<Key> Observe(const std::vector<Standing<Key>>& standing, Instant now) {
    Saw(now);
    std::unordered_map<Key, Instant> still;
    std::vector<Key> due;
    for (const auto& suspicion : standing) {
      const auto known = first_read_.find(suspicion.key);
      const Instant first = known == first_read_.end() ? now : known->second;
      still.emplace(suspicion.key, first);
      if (now - first >= suspicion.grace) due.push_back(suspicion.key);
    }
    first_read_ = std::move(still);
    return due;
  }

  // This observer itself has made it, and so has read it.
  void Raised(Key key, Instant now) { first_read_.try_emplace(key, now); }

  // What was read was read in another life of the database's locks.
  void Forget() { first_read_.clear(); }

 private:
  Duration longest_gap_;
  std::optional<Instant> last_seen_;
  std::unordered_map<Key, Instant> first_read_;
};

}  // namespace vigil
