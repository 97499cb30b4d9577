// When to claim a work item, without a network or a clock.
#pragma once

#include <string>
#include <variant>

#include "vigil/event.h"
#include "vigil/types.h"
#include "vigil/work.h"

namespace vigil::client {

// What a contender should do next.
struct Wait {};
struct Claim {
  Incarnation expected_owner;
  Fence expected_fence;
};
struct Own {};        // the item is the contender's
struct Completed {};  // there is nothing left to do
using Decision = std::variant<Wait, Claim, Own, Completed>;

// Knows who owns one item, from answers and from events in any order, and says when it may be had.
// Every change of owner makes the fence grow, so that whatever carries a lower fence than the known
// one is old and is ignored.
//
// Thread: none of its own; one caller at a time.
class StandBy {
 public:
  StandBy(std::string key, Incarnation self) : key_(std::move(key)), self_(self) {}

  // The item, as a start, a claim or a reading returned it.
  Decision OnItem(const WorkItem& item);
  Decision OnEvent(const Event& event);

  // Zero when nobody owns it, or nothing is known yet.
  Incarnation owner() const { return owner_; }
  Fence fence() const { return fence_; }
  // Whether a start may well make it the contender's.
  bool startable() const { return !owner_ && !quarantined_; }

 private:
  Decision OnWorkEvent(const Event& event);

  const std::string key_;
  const Incarnation self_;
  Incarnation owner_;
  Fence fence_;
  bool quarantined_ = false;
};

}  // namespace vigil::client
