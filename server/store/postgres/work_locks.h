// What every change of a work item locks first: rows of pods by number, then the item.
#pragma once

#include "base/error.h"
#include "core/types.h"
#include "pg/params.h"
#include "pg/rows.h"

namespace vigil {

// Key-share-locks the row of the caller ($2): until the commit it cannot end, but move. The owner
// from whom an item is claimed needs no lock, since DEAD and LEFT are final.   (P6)
extern const pg::Statement kLockCaller;

// The same, for one at a time: a repetition of a claim of many sees what the first one did.
extern const pg::Statement kLockClaimant;

// Locks the item's row.
extern const pg::Statement kLockItem;

// Of the rows of one of these: the caller lives, or POD_NOT_FOUND, or INCARNATION_ENDED.
Result<void> RequireLiving(const pg::Rows& locked, Incarnation caller);

}  // namespace vigil
