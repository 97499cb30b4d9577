// How numbers are issued, so that none is issued twice.
//
// A failover to a standby that had not got everything, or a backup that is restored, takes
// sequences and fences back to where they had been, while what was issued since may still be in use
// by those who do not know. Either begins a new timeline of the database cluster, whose numbers lie
// above all that came before it: the timeline, less one, counts in steps of 2^32. The sequences
// themselves go on, so a number could come twice only if as many as such a step had been lost.
//
// A number is below 2^48: timelines end at 32768 (Postgres then says: smallint out of range), and
// the sequences of which keys are made at 2^47.
#pragma once

#include "core/types.h"

namespace vigil {

// What the numbers of this timeline lie above; 0 on the first one.
#define VIGIL_TIMELINE_FLOOR                                                        \
  "((('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint - 1)" \
  "::smallint::bigint << 32)"

// The next number of a sequence of ours.
#define VIGIL_NEXT(sequence) "nextval('vigil." sequence "') + " VIGIL_TIMELINE_FLOOR

// The fence after `fence`, which an item gets with a new owner.
#define VIGIL_NEXT_FENCE(fence) "greatest(" fence ", " VIGIL_TIMELINE_FLOOR ") + 1"

// Whether a claim that expected one fence gave the other: it is the next one, or the first of a
// later timeline.
inline bool IsNextFence(Fence fence, Fence expected) {
  return fence.value == expected.value + 1 ||
         (fence > expected && fence.value % (uint64_t{1} << 32) == 1);
}

}  // namespace vigil
