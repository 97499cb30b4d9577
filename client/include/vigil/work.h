// Units of in-flight work: who runs them, and who takes them over.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/pod.h"
#include "vigil/types.h"

namespace vigil::client {

// Whether a work item still has work in it.
enum class WorkState { kUnknown = 0, kOwned = 1, kReleased = 2, kCompleted = 3 };

// A unit of in-flight work.
struct WorkItem {
  std::string ns;
  std::string key;
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
  std::optional<Timestamp> started_at;
  std::optional<Timestamp> updated_at;
};

enum class StartOutcome {
  kStarted = 1,    // The caller owns the item.
  kOwned = 2,      // Somebody else who lives owns it.
  kOrphaned = 3,   // Its owner is DEAD or LEFT: claim it.
  kCompleted = 4,  // It was completed.
};

struct Started {
  StartOutcome outcome;
  WorkItem item;
};

enum class ClaimOutcome {
  kClaimed = 1,  // The caller owns the item.
  kLost = 2,     // The owner or the fence is not the expected one: somebody else was first.
};

struct Claimed {
  ClaimOutcome outcome;
  WorkItem item;
};

// Which items to list.
struct WorkQuery {
  // Only the items of this owner; everybody's when zero.
  Incarnation owner;
  // Only items that may be claimed: orphans and released ones.
  bool claimable_only = false;
  bool include_completed = false;
  // 1 to 1,000.
  std::uint32_t page_size = 100;
  // From the page before; empty for the first.
  std::string page_token;
};

// Items by key.
struct WorkPage {
  std::vector<WorkItem> items;
  // Empty after the last page.
  std::string next_page_token;
};

// The work items of one namespace.
//
// Example: run an item, unless somebody else does.
//
//     Work work(client, "default");
//     auto started = work.Start(me, "import-7", "s3://bucket/7");
//     if (started && started->outcome == StartOutcome::kStarted) {
//       Run(started->item.payload, started->item.fence);
//       auto completed = work.Complete(me, "import-7", started->item.fence);
//       if (!completed && completed.error().reason == Reason::kFenced) Undo();  // Somebody took it
//       over.
//     }
//
// Thread safety: everything may be called from any thread. Every call blocks, at most for the
// client's `call_timeout`.
//
// Error handling: as in Client. A caller whose fence is stale gets FENCED with the current `owner`
// and `fence` in the metadata; one whose incarnation has ended, and whose item nobody has taken
// over, gets INCARNATION_ENDED. A lost race for a claim is an outcome, not an error.
//
// It does not promise that a pod whose lease has ended stops: that is what the fence is for.
class Work {
 public:
  Work(const Client& client, std::string ns);

  // Creates an item that the caller owns, or takes one that was released. For its owner, a
  // repetition returns the item.
  Result<Started> Start(Incarnation caller, std::string_view key,
                        std::string_view payload = {}) const;

  // Replaces the checkpoint of an item that the caller owns. At most 64 KiB.
  Result<WorkItem> Checkpoint(Incarnation caller, std::string_view key, Fence fence,
                              std::string_view checkpoint) const;

  // Completes an item that the caller owns, for ever. A repetition leaves the first result.
  Result<WorkItem> Complete(Incarnation caller, std::string_view key, Fence fence,
                            std::string_view result = {}) const;

  // Gives an item up, so that it has no owner.
  Result<WorkItem> Release(Incarnation caller, std::string_view key, Fence fence) const;

  // Takes an item over by compare-and-set: only while `expected_owner` (zero for nobody) is its
  // owner and is DEAD, LEFT or nobody, and its fence is `expected_fence`.
  Result<Claimed> Claim(Incarnation caller, std::string_view key, Incarnation expected_owner,
                        Fence expected_fence) const;

  // Takes over up to `limit` (1 to 100) orphans and released items. It is not repeated by itself
  // when its answer is lost, since a repetition claims more: then it fails with OUTCOME_UNKNOWN,
  // and List says what the caller owns.
  Result<std::vector<WorkItem>> ClaimOrphans(Incarnation caller, std::uint32_t limit = 10) const;

  Result<WorkItem> Get(std::string_view key) const;

  Result<WorkPage> List(const WorkQuery& query = {}) const;

 private:
  std::shared_ptr<Core> core_;
  std::string ns_;
};

// "OWNED", "STARTED", "LOST": the words of the protocol.
std::string_view Name(WorkState state);
std::string_view Name(StartOutcome outcome);
std::string_view Name(ClaimOutcome outcome);

}  // namespace vigil::client
