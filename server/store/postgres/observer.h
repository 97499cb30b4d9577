// What a statement that judges by free locks begins with: is the observer itself sound, and which
// database is this?
#pragma once

#include "base/error.h"
#include "core/errors.h"
#include "store/postgres/lock_keys.h"
#include "store/store.h"

namespace vigil {

// Looked up only when it is asked for.
#define VIGIL_OWN_SESSION                                                   \
  "(SELECT concat('session ', pid, ' ', extract(epoch FROM backend_start))" \
  "   FROM pg_stat_activity WHERE pid = pg_backend_pid())"

// The relation server(stamp, identity). Both name the cluster and its timeline, and the start of
// its lock table, which a crash of any backend makes anew with a new checkpointer.
//
// A role that may not see the checkpointer (pg_read_all_stats) has a stamp without it, and an
// identity that ends with its own session instead: no lock table outlives one session of ours
// without us, so whatever was read in one and the same session was read of the same locks. A stamp
// is for all observers and says what they have in common; an identity is one observer's own.
#define VIGIL_SERVER                                                                    \
  "server AS MATERIALIZED ("                                                            \
  "  SELECT concat(cluster, checkpointer || '/') AS stamp,"                             \
  "         concat(cluster, coalesce(checkpointer, " VIGIL_OWN_SESSION                  \
  "), '/') AS identity"                                                                 \
  "    FROM (SELECT concat((SELECT system_identifier FROM pg_control_system()), '/',"   \
  "                   left(pg_walfile_name(pg_current_wal_lsn()), 8), '/') AS cluster," \
  "                 (SELECT extract(epoch FROM backend_start)::text"                    \
  "                    FROM pg_stat_activity WHERE backend_type = 'checkpointer')"      \
  "                   AS checkpointer) AS parts), "

// Whether a suspicion's stamp says nothing else than ours. One of the two may know less: observers
// with different rights would otherwise replace each other's suspicions for ever. Each part ends
// with a slash, so that no part is the beginning of another.
#define VIGIL_AGREES(stamp) \
  "coalesce(starts_with(" stamp ", server.stamp) OR starts_with(server.stamp, " stamp "), false)"

// The relations locks(in_use, own), one row of what pg_locks has at the moment of others, if
// anybody asks, since to read it is dear when there are many locks (the keys that the statement
// itself has tried and got are free again when it ends); and observer(sound), after server: the
// coordinator's row is ALIVE, the identity is the one that its judgement rests on, and its own lock
// is held by its own backend. By backend in pg_locks: a failed try-lock may be another prober's
// doing.   (P10)
//
// The parameters: the coordinator's number, its backend, the key of its lock, the identity; and
// whether the lock needs to be looked at.
#define VIGIL_OBSERVER(number, backend, key, identity, at_stake)                     \
  "locks AS MATERIALIZED ("                                                          \
  "  SELECT count(*) FILTER (WHERE NOT fastpath AND pid <> pg_backend_pid())"        \
  "           AS in_use,"                                                            \
  "         count(*) FILTER (WHERE pid = " backend                                   \
  " AND locktype = 'advisory' AND granted"                                           \
  "                            AND mode = 'ExclusiveLock'"                           \
  "                            AND database = (SELECT oid FROM pg_database"          \
  "                                             WHERE datname = current_database())" \
  "                            AND classid = (" key                                  \
  " >> 32)::oid"                                                                     \
  "                            AND objid = (" key                                    \
  " & 4294967295)::oid AND objsubid = 1) > 0 AS own"                                 \
  "    FROM pg_locks), "                                                             \
  "observer AS MATERIALIZED ("                                                       \
  "  SELECT EXISTS (SELECT FROM vigil.coordinators"                                  \
  "                  WHERE coordinator = " number                                    \
  " AND state = 'ALIVE')"                                                            \
  "     AND " identity                                                               \
  " IN ('', (SELECT identity FROM server))"                                          \
  "     AND (NOT (" at_stake ") OR (SELECT own FROM locks)) AS sound), "

inline int64_t ObserverKey(const Observer& observer) {
  return KeyOf({LockKind::kCoordinator, observer.number.value});
}

inline Error UnsoundObserver() {
  return CoordinatorUntrusted(
      "this coordinator's row is not ALIVE, or its own session does not hold its lock, or the "
      "database's locks are not those that it probed");
}

}  // namespace vigil
