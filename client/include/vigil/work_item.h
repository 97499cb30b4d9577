// A unit of in-flight work, as a coordinator describes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/pod.h"
#include "vigil/types.h"

namespace vigil::client {

// Whether a work item still has work in it, and whether anybody may do it.
enum class WorkState {
  kUnknown = 0,
  kOwned = 1,
  kReleased = 2,
  kCompleted = 3,
  kQuarantined = 4,  // Its owners kept dying or failing: nobody has it before ReleaseQuarantined.
};

// Who takes an orphan over.
enum class RecoveryPolicy {
  kUnknown = 0,  // To Start it is kCompete.
  kCompete = 1,  // Any survivor that claims it.
  kAssign = 2,   // The coordinators give it to the living pod with the fewest items that has all
                 // labels of `selector`. While there is none, it waits.
  kSticky = 3,   // The next incarnation of its owner's name; any survivor after `sticky_wait`.
};

// What whoever starts an item says of it, for ever.
struct WorkTraits {
  // What kind of work it is, so that whoever can do it finds it: up to 63 of a-z, 0-9 and '-'.
  std::string kind;
  // At most 32, keys of 1 to 63 bytes, values of at most 255.
  std::map<std::string, std::string> labels;
  RecoveryPolicy policy = RecoveryPolicy::kCompete;
  // With kAssign: the labels that a pod must have to be given it; at least one.
  std::map<std::string, std::string> selector;
  // With kSticky, counted from the owner's end: 1 s to 24 h; 30 s when zero.
  Duration sticky_wait{};
  // How often it may be taken over from an owner that died or failed, before the next death or
  // failure quarantines it: 1 to 1,000,000; 5 when zero.
  std::uint32_t max_adoptions = 0;
};

// An ownership of a work item that ended badly.
struct FormerOwner {
  Incarnation incarnation;
  // The name of its pod.
  std::string name;
  Fence fence;
  // How it ended; kNone when it gave the item up with Fail.
  Cause cause = Cause::kNone;
  // What it said with Fail.
  std::string reason;
  std::optional<Timestamp> at;
};

// A unit of in-flight work.
struct WorkItem {
  std::string ns;
  std::string key;
  WorkTraits traits;
  WorkState state = WorkState::kUnknown;
  // Who runs it, or who completed it; zero when nobody does.
  Incarnation owner;
  // The name of the owner's pod; empty when it has none.
  std::string owner_name;
  // Its owner is DEAD or LEFT, so that it may be claimed.
  bool orphan = false;
  // Attach it to everything that the work writes: whoever reads drops what carries a lower one than
  // he has seen.
  Fence fence;
  std::string payload;
  std::string checkpoint;
  std::string result;
  // How often it was taken over from an owner that died or failed. An ownership of ten minutes with
  // a checkpoint, or of 24 hours without one, starts the count anew.
  std::uint32_t adoptions = 0;
  // The last 16, oldest first.
  std::vector<FormerOwner> former_owners;
  std::optional<Timestamp> started_at;
  std::optional<Timestamp> updated_at;
};

// "OWNED", "STICKY": the words of the protocol.
std::string_view Name(WorkState state);
std::string_view Name(RecoveryPolicy policy);

}  // namespace vigil::client
