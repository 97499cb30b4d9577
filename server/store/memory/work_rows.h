// What the transactions on work items have in common: who may have an item, and how it changes
// hands.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "store/memory/tables.h"
#include "store/memory/transaction.h"

namespace vigil::memory {

// Errors POD_NOT_FOUND, INCARNATION_ENDED.
Result<PodRow*> RequireLiving(Transaction& transaction, const std::string& ns,
                              Incarnation incarnation);

// Null when there is none.
WorkRow* FindWork(NamespaceRow& space, const std::string& key);

// The item as it is shown, with what is derived from its owner.
WorkItem Shown(const NamespaceRow& space, const WorkRow& row);

bool IsOrphan(const NamespaceRow& space, const WorkItem& item);

// An orphan, or RELEASED.
bool IsClaimable(const NamespaceRow& space, const WorkItem& item);

bool Passes(const WorkChoice& choice, const WorkTraits& traits);

// Whether its policy lets the pod have a claimable item now.
bool MayHave(const Transaction& transaction, const NamespaceRow& space, const WorkItem& item,
             const Pod& pod);

// It was left by the dead, and has been adopted as often as it may be.
bool IsAdoptedTooOften(const NamespaceRow& space, const WorkRow& row);

// Whether this request is among the remembered ones; never, without an id.
bool Remembers(const std::vector<std::string>& requests, const std::string& request_id);
void Remember(std::vector<std::string>& requests, const std::string& request_id);

// How many of its adoptions still count when its owner has it until then.
uint32_t AdoptionsUntil(const WorkRow& row, WallMicros end);

void AddFormerOwner(WorkItem& item, FormerOwner owner);

// What the end of an orphan's owner counts for.
void CountEnd(const NamespaceRow& space, WorkRow& row);

// The item has a new owner, with its event.
void GiveTo(Transaction& transaction, const Pod& owner, WorkRow& row);

// The same with a claimable item, and with what the end of its last owner counts for.
void Adopt(Transaction& transaction, const NamespaceRow& space, const Pod& owner, WorkRow& row);

// Takes an orphan from its last owner, with its event.
void Quarantine(Transaction& transaction, const NamespaceRow& space, WorkRow& row);

}  // namespace vigil::memory
