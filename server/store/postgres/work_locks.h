// What every change of a work item locks first: rows of pods by number, then the item.
#pragma once

#include "base/error.h"
#include "core/types.h"
#include "pg/params.h"
#include "pg/rows.h"

namespace vigil {

// Share-locks the rows of the caller ($2) and of the expected owner ($3), by number: until the
// commit neither can end or come back.   (P6)
extern const pg::Statement kLockWorkPods;

// Locks the item's row.
extern const pg::Statement kLockItem;

// Of the rows of kLockWorkPods: the caller lives, or POD_NOT_FOUND, or INCARNATION_ENDED.
Result<void> RequireLiving(const pg::Rows& locked, Incarnation caller);

}  // namespace vigil
