// What a statement that judges by free locks begins with: is the observer itself sound, and which
// database is this?
#pragma once

#include "base/error.h"
#include "core/errors.h"
#include "store/postgres/lock_keys.h"
#include "store/store.h"

namespace vigil {

// The relation observer(sound): the coordinator's row is ALIVE, and its own lock is held by its own
// backend. By backend in pg_locks: a failed try-lock may be another prober's doing.   (P10)
//
// The parameters: the coordinator's number, its backend, the key of its lock.
#define VIGIL_OBSERVER(number, backend, key)                                 \
  "observer AS MATERIALIZED ("                                               \
  "  SELECT EXISTS (SELECT FROM vigil.coordinators"                          \
  "                  WHERE coordinator = " number                            \
  " AND state = 'ALIVE')"                                                    \
  "     AND EXISTS (SELECT FROM pg_locks"                                    \
  "                  WHERE locktype = 'advisory' AND granted"                \
  "                    AND mode = 'ExclusiveLock' AND pid = " backend        \
  "                    AND database = (SELECT oid FROM pg_database"          \
  "                                     WHERE datname = current_database())" \
  "                    AND classid = (" key                                  \
  " >> 32)::oid"                                                             \
  "                    AND objid = (" key                                    \
  " & 4294967295)::oid AND objsubid = 1)"                                    \
  "      AS sound),"

// The relation server(identity): the cluster, its timeline, and the start of its lock table, which
// a crash of any backend makes anew with a new checkpointer. A role that may not see the
// checkpointer (pg_read_all_stats) sees the start of the postmaster and the reset of the
// statistics, which a crash throws away, too.
#define VIGIL_SERVER                                                               \
  " server AS MATERIALIZED ("                                                      \
  "  SELECT concat_ws('/',"                                                        \
  "    (SELECT system_identifier FROM pg_control_system()),"                       \
  "    left(pg_walfile_name(pg_current_wal_lsn()), 8),"                            \
  "    coalesce("                                                                  \
  "      (SELECT extract(epoch FROM backend_start)::text"                          \
  "         FROM pg_stat_activity WHERE backend_type = 'checkpointer'),"           \
  "      concat(extract(epoch FROM pg_postmaster_start_time()), '+',"              \
  "             (SELECT extract(epoch FROM stats_reset) FROM pg_stat_bgwriter))))" \
  "  AS identity),"

inline int64_t ObserverKey(const Observer& observer) {
  return KeyOf({LockKind::kCoordinator, observer.number.value});
}

inline Error UnsoundObserver() {
  return CoordinatorUntrusted(
      "this coordinator's row is not ALIVE, or its own session does not hold its lock");
}

}  // namespace vigil
