// Units of in-flight work: who runs them, and who takes them over.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/types.h"
#include "vigil/work_item.h"

namespace vigil::client {

enum class StartOutcome {
  kStarted = 1,      // The caller owns the item.
  kOwned = 2,        // Somebody else who lives owns it.
  kOrphaned = 3,     // Its owner is DEAD or LEFT: claim it.
  kCompleted = 4,    // It was completed.
  kReleased = 5,     // This very call had started it, and it has been released since.
  kQuarantined = 6,  // Its owners kept dying or failing.
};

struct Started {
  StartOutcome outcome;
  WorkItem item;
};

enum class ClaimOutcome {
  kClaimed = 1,      // The caller owns the item.
  kLost = 2,         // The owner or the fence is not the expected one: somebody else was first.
  kReserved = 3,     // As its policy says, it is for others, or waits for its owner's name.
  kQuarantined = 4,  // Its owners kept dying or failing.
};

struct Claimed {
  ClaimOutcome outcome;
  WorkItem item;
};

// Items of some kinds and with some labels. Empty, it passes everything.
struct WorkChoice {
  // Only items of one of these kinds, of which there may be 32; of any, or none, when empty.
  std::vector<std::string> kinds;
  // Only items that have all of these labels.
  std::map<std::string, std::string> labels;
};

// Which items to list.
struct WorkQuery {
  // Only the items of this owner; everybody's when zero.
  Incarnation owner;
  // Only orphans and released ones. Who may claim them their policies say.
  bool claimable_only = false;
  bool include_completed = false;
  bool quarantined_only = false;
  WorkChoice choice;
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
// over, gets INCARNATION_ENDED. A lost race for a claim is an outcome, not an error. Every call may
// be repeated: a repetition finds what was done, and one that comes late undoes nothing that came
// after it.
//
// It does not promise that a pod whose lease has ended stops: that is what the fence is for.
class Work {
 public:
  Work(const Client& client, std::string ns);

  // The same for a pod's own calls, of which nothing is to go on when its lease is over: each
  // attempt is sent only while `alive_until` says until when, and is given up then. When nothing
  // may be sent the error is CANCELLED, with the reason INCARNATION_ENDED.
  Work While(std::function<std::optional<Time>()> alive_until) const;

  // Creates an item that the caller owns, or takes one that was released, which keeps its traits.
  // For its owner, a repetition returns the item.
  Result<Started> Start(Incarnation caller, std::string_view key, std::string_view payload = {},
                        const WorkTraits& traits = {}) const;

  // Replaces the checkpoint of an item that the caller owns. At most 64 KiB.
  Result<WorkItem> Checkpoint(Incarnation caller, std::string_view key, Fence fence,
                              std::string_view checkpoint) const;

  // Completes an item that the caller owns, for ever. A repetition leaves the first result.
  Result<WorkItem> Complete(Incarnation caller, std::string_view key, Fence fence,
                            std::string_view result = {}) const;

  // Gives an item up, so that it has no owner.
  Result<WorkItem> Release(Incarnation caller, std::string_view key, Fence fence) const;

  // The same for an item that could not be done. The reason, for people, is 1 to 512 bytes of UTF-8
  // without control characters; the item keeps it. Counts as an adoption; when that is one too
  // many, the item is QUARANTINED.
  Result<WorkItem> Fail(Incarnation caller, std::string_view key, Fence fence,
                        std::string_view reason) const;

  // Gives an item of the caller's to the living pod of this name: the item that is returned has
  // another owner and a higher fence. POD_NOT_FOUND when there is none. To the caller's own name
  // nothing changes.
  Result<WorkItem> Transfer(Incarnation caller, std::string_view key, Fence fence,
                            std::string_view to_name) const;

  // Takes an item over by compare-and-set: only while `expected_owner` (zero for nobody) is its
  // owner and is DEAD, LEFT or nobody, and its fence is `expected_fence`.
  Result<Claimed> Claim(Incarnation caller, std::string_view key, Incarnation expected_owner,
                        Fence expected_fence) const;

  // Takes over up to `limit` (1 to 100) orphans and released items that the choice passes and whose
  // policies let the caller have them; none of the policy ASSIGN. Those whose owners kept dying are
  // quarantined instead, and count for the limit.
  Result<std::vector<WorkItem>> ClaimOrphans(Incarnation caller, std::uint32_t limit = 10,
                                             const WorkChoice& choice = {}) const;

  // Puts a QUARANTINED item, or an orphan whatever its policy, back among those that may be
  // claimed, and counts its adoptions anew. For operators: it needs no incarnation. FENCED when it
  // is neither with this fence.
  Result<WorkItem> ReleaseQuarantined(std::string_view key, Fence fence) const;

  Result<WorkItem> Get(std::string_view key) const;

  Result<WorkPage> List(const WorkQuery& query = {}) const;

 private:
  std::shared_ptr<Core> core_;
  std::string ns_;
  // Empty: there is no such limit.
  std::function<std::optional<Time>()> alive_until_;
};

// "STARTED", "LOST": the words of the protocol.
std::string_view Name(StartOutcome outcome);
std::string_view Name(ClaimOutcome outcome);

}  // namespace vigil::client
