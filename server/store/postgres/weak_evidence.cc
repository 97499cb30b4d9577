// What rests on locks that are found free: the probe, the suspicion and the verdict.
//
// A try-lock in the session that holds the lock succeeds and stacks, so all of this runs in a
// session that holds no lock of a pod. Keys are tried in shared mode, against which a holder's
// exclusive lock stands while two probers do not disturb each other: one that missed a free key
// because of another would forget the suspicion, and its grace would never pass. Which rows are
// tried is settled first (MATERIALIZED, or the FILTER of an aggregate, which sees no other rows): a
// key must not be tried for a row that the statement then leaves out.
#include <utility>

#include "store/postgres/lock_keys.h"
#include "store/postgres/numbers.h"
#include "store/postgres/observer.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

// The pods whose lock is free, as they are kept while all are tried: of thousands that are held
// nothing is copied, and what is free needs not be looked up once more.
#define VIGIL_FREE                                                                         \
  "array_agg(ROW(namespace, incarnation, session, coordinator, profile, lease, suspicion," \
  "              suspicion_identity))"                                                     \
  " FILTER (WHERE pg_try_advisory_xact_lock_shared($4 + session))"

// As a number of the caller's.
#define VIGIL_TURN(probed_at) "(extract(epoch FROM " probed_at ") * 1000000)::bigint"

// Locks the row of the turn, when that is due and nobody is at it, and reads all others without
// locking them. Free keys are ours until the statement ends. A turn that the clock has not come to
// yet was taken before the clock was set back.
//
// A client that is frozen before it reads a long answer holds up its backend, with the row's lock,
// and no timeout of Postgres's ends that. So nobody waits for a turn that stood still, nor for a
// row that is not there.   (P2)
//
// Pods are tried in the order in which they came, as one index has them: their rows lie so, too. To
// read pg_locks costs as much as to try all locks. So the observer's own lock is looked at when
// something was found free, since nothing else that it sees accuses anybody; and the lock table is
// counted again when pods came or went since the last turn, or after five seconds for the locks of
// others.
//
// The commit waits neither for the disk nor for a standby: that a turn is forgotten in a crash
// costs another probe.
constexpr pg::Statement kProbe{
    "probe", "WITH " VIGIL_SERVER
    "turn AS MATERIALIZED ("
    "  SELECT clock_timestamp() AS began, probed_at, living,"
    "         set_config('synchronous_commit', 'off', true)"
    "    FROM vigil.last_probe"
    "   WHERE (clock_timestamp() - probed_at BETWEEN '0' AND $7) IS NOT TRUE"
    "      OR " VIGIL_TURN("probed_at") " = $8"
    "     FOR UPDATE SKIP LOCKED),"
    " extent AS MATERIALIZED ("
    "  SELECT EXISTS (SELECT FROM turn)"
    "         OR NOT EXISTS (SELECT FROM vigil.last_probe WHERE " VIGIL_TURN("probed_at")
    "                          <> $8) AS of_all),"
    " others AS MATERIALIZED ("
    "  SELECT coordinator, trust_window FROM vigil.coordinators"
    "   WHERE state = 'ALIVE' AND coordinator <> $1),"
    " free_coordinators AS MATERIALIZED ("
    "  SELECT * FROM others WHERE pg_try_advisory_xact_lock_shared($5 + coordinator)),"
    " tried AS MATERIALIZED ("
    "  SELECT count(*) AS pods, count(*) AS suspect, " VIGIL_FREE " AS free"
    "    FROM vigil.pods WHERE state = 'SUSPECT'"
    "  UNION ALL"
    "  SELECT count(*), 0, " VIGIL_FREE
    "    FROM (SELECT * FROM vigil.pods WHERE state = 'ALIVE' AND (SELECT of_all FROM extent)"
    "           ORDER BY namespace, incarnation) AS in_order),"
    " free_pods AS MATERIALIZED ("
    "  SELECT pod.* FROM tried,"
    "         unnest(free) AS pod(namespace text, incarnation bigint, session bigint,"
    "                             coordinator bigint, profile text, lease interval,"
    "                             suspicion bigint, suspicion_identity text)),"
    " counted AS MATERIALIZED ("
    "  SELECT sum(pods)::bigint AS living, sum(suspect)::bigint AS suspect FROM tried),"
    VIGIL_OBSERVER("$1", "$2", "$3", "$6",
                   "EXISTS (SELECT FROM free_coordinators) OR EXISTS (SELECT FROM free_pods)")
    "recount AS MATERIALIZED ("
    "  SELECT turn.living <> counted.living"
    "         OR date_bin('5 s', turn.began, 'epoch') <> date_bin('5 s', turn.probed_at, 'epoch')"
    "           AS due"
    "    FROM turn, counted),"
    " probed AS ("
    "  UPDATE vigil.last_probe AS last"
    "     SET probed_at = turn.began, living = counted.living,"
    "         locks = CASE WHEN recount.due THEN (SELECT in_use FROM locks) ELSE last.locks END"
    "    FROM turn, observer, counted, recount WHERE observer.sound"
    "  RETURNING last.*) "
    "SELECT observer.sound, server.identity, extent.of_all,"
    "       probed.only_row IS NOT NULL AND (SELECT due FROM recount),"
    "       $7 - (clock_timestamp() - coalesce(probed.probed_at, last.probed_at)),"
    "       " VIGIL_TURN("coalesce(probed.probed_at, last.probed_at)") ","
    "       CASE WHEN extent.of_all THEN counted.living ELSE last.living END,"
    "       coalesce(probed.locks, last.locks, (SELECT in_use FROM locks)),"
    "       current_setting('max_locks_per_transaction')::bigint"
    "         * (current_setting('max_connections')::bigint"
    "            + current_setting('max_prepared_transactions')::bigint),"
    "       counted.suspect, found.*"
    "  FROM observer CROSS JOIN server CROSS JOIN extent CROSS JOIN counted"
    "  LEFT JOIN vigil.last_probe AS last ON true"
    "  LEFT JOIN probed ON true"
    "  LEFT JOIN ("
    "    SELECT NULL::bigint AS coordinator, host.trust_window, namespace, incarnation, session,"
    "           profile, lease,"
    "           CASE WHEN " VIGIL_AGREES("suspicion_identity") " THEN suspicion END AS suspicion"
    "      FROM server, free_pods"
    "      LEFT JOIN vigil.coordinators AS host ON host.coordinator = free_pods.coordinator"
    "    UNION ALL"
    "    SELECT coordinator, trust_window, NULL, NULL, NULL, NULL, NULL, NULL"
    "      FROM free_coordinators"
    "  ) AS found ON true"
    " ORDER BY found.coordinator, found.incarnation"};

constexpr pg::Statement kSuspectFree{
    "suspect_free", "WITH " VIGIL_SERVER VIGIL_OBSERVER("$2", "$3", "$4", "$8", "true")
    "candidates AS MATERIALIZED ("
    "  SELECT pod.incarnation, pod.session, server.stamp"
    "    FROM observer, server, vigil.pods AS pod"
    "    JOIN unnest($6::bigint[], $7::bigint[]) AS named(incarnation, session)"
    "      ON pod.incarnation = named.incarnation AND pod.session = named.session"
    "   WHERE observer.sound AND pod.namespace = $1 AND pod.state IN ('ALIVE', 'SUSPECT')"
    "     AND NOT " VIGIL_AGREES("pod.suspicion_identity") "),"
    " free AS MATERIALIZED ("
    "  SELECT * FROM candidates WHERE pg_try_advisory_xact_lock_shared($5 + session)),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'SUSPECT', cause = 'LOCK_FREE', suspicion_identity = free.stamp,"
    "         suspected_at = clock_timestamp(),"
    "         suspicion = " VIGIL_NEXT("suspicion_numbers")
    "    FROM free WHERE pod.incarnation = free.incarnation"
    "  RETURNING pod.*)," VIGIL_POD_NEWS(
        "'POD_SUSPECTED'", "'LOCK_FREE'", "0", "suspected_at") VIGIL_APPEND_NEWS
    "SELECT observer.sound, changed.incarnation, changed.session, changed.suspicion"
    "  FROM observer LEFT JOIN changed ON true ORDER BY changed.incarnation"};

constexpr pg::Statement kDeclareFree{
    "declare_free", "WITH " VIGIL_SERVER VIGIL_OBSERVER("$2", "$3", "$4", "$9", "true")
    "candidates AS MATERIALIZED ("
    "  SELECT pod.incarnation, pod.session"
    "    FROM observer, server, vigil.pods AS pod"
    "    JOIN unnest($6::bigint[], $7::bigint[], $8::bigint[])"
    "           AS named(incarnation, session, suspicion)"
    "      ON pod.incarnation = named.incarnation AND pod.session = named.session"
    "     AND pod.suspicion = named.suspicion"
    "   WHERE observer.sound AND pod.namespace = $1 AND pod.state = 'SUSPECT'"
    "     AND " VIGIL_AGREES("pod.suspicion_identity") "),"
    " free AS MATERIALIZED ("
    "  SELECT * FROM candidates WHERE pg_try_advisory_xact_lock_shared($5 + session)),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp(), " VIGIL_KEEP_SUSPECTED_AT ", " VIGIL_NOTE_ORPHANS
    "    FROM free WHERE pod.incarnation = free.incarnation"
    "  RETURNING pod.*),"
    " taken AS ("
    "  INSERT INTO vigil.taken_sessions (coordinator, session)"
    "  SELECT coordinator, session FROM changed JOIN vigil.coordinators USING (coordinator)"
    "  ON CONFLICT DO NOTHING),"
    VIGIL_POD_NEWS("'POD_DIED'", "'LOCK_FREE'", VIGIL_ORPHANS, VIGIL_DEATH_DETECTED)
    VIGIL_APPEND_NEWS
    "SELECT observer.sound, changed.incarnation, changed.session"
    "  FROM observer LEFT JOIN changed ON true ORDER BY changed.incarnation"};

}  // namespace

Result<ProbeReport> PostgresStore::Probe(const Observer& observer, Duration interval,
                                         WallMicros stood_still) {
  auto rows = link_.Execute(
      {.steps = {{&kProbe,
                  {observer.number, observer.backend, ObserverKey(observer), kSessionKeys,
                   kCoordinatorKeys, observer.identity, interval, stood_still}}},
       .changes = false});
  if (!rows) return Fail(std::move(rows.error()));
  ProbeReport report;
  for (pg::Row row : rows->back()) {
    if (!row.Bool()) return Fail(UnsoundObserver());
    report.identity = row.Text();
    report.of_all = row.Bool();
    report.locks_counted = row.Bool();
    report.next_turn = row.Interval();
    report.turn = row.As<WallMicros>();
    report.living = static_cast<uint64_t>(row.Bigint());
    report.locks.in_use = static_cast<uint64_t>(row.Bigint());
    report.locks.size = static_cast<uint64_t>(row.Bigint());
    report.suspect = static_cast<uint64_t>(row.Bigint());
    const auto coordinator = row.As<CoordinatorNumber>();
    const Duration trust_window = row.Interval();
    if (coordinator) report.free_coordinators.push_back({coordinator, trust_window});
    if (row.IsNull()) continue;
    FreePod free{.host_trust_window = trust_window};
    free.ns = row.Text();
    free.pod.incarnation = row.As<Incarnation>();
    free.pod.session = row.As<SessionNumber>();
    free.profile = ProfileFrom(row.Text());
    free.lease = row.Interval();
    free.suspicion = row.As<SuspicionNumber>();
    report.free_pods.push_back(std::move(free));
  }
  return report;
}

Result<std::vector<Suspicion>> PostgresStore::SuspectFree(const Observer& observer,
                                                          const std::string& ns,
                                                          const std::vector<HostedPod>& pods) {
  const HostedArrays arrays(pods);
  auto rows = ChangeAndWake(
      ns, {{&kLockPodsToKeep, {ns, arrays.incarnations}},
           {&kSuspectFree,
            {ns, observer.number, observer.backend, ObserverKey(observer), kSessionKeys,
             arrays.incarnations, arrays.sessions, observer.identity}}});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<Suspicion> suspicions;
  for (pg::Row row : rows->back()) {
    if (!row.Bool()) return Fail(UnsoundObserver());
    if (row.IsNull()) break;
    Suspicion suspicion;
    suspicion.pod.incarnation = row.As<Incarnation>();
    suspicion.pod.session = row.As<SessionNumber>();
    suspicion.number = row.As<SuspicionNumber>();
    suspicions.push_back(suspicion);
  }
  return suspicions;
}

Result<std::vector<HostedPod>> PostgresStore::DeclareFree(
    const Observer& observer, const std::string& ns, const std::vector<Suspicion>& suspicions) {
  std::vector<HostedPod> pods;
  std::vector<int64_t> numbers;
  for (const Suspicion& suspicion : suspicions) {
    pods.push_back(suspicion.pod);
    numbers.push_back(static_cast<int64_t>(suspicion.number.value));
  }
  const HostedArrays arrays(pods);
  auto rows = ChangeAndWake(
      ns, {{&kLockPodsToEnd, {ns, arrays.incarnations}},
           {&kDeclareFree,
            {ns, observer.number, observer.backend, ObserverKey(observer), kSessionKeys,
             arrays.incarnations, arrays.sessions, numbers, observer.identity}}});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<HostedPod> ended;
  for (pg::Row row : rows->back()) {
    if (!row.Bool()) return Fail(UnsoundObserver());
    if (row.IsNull()) break;
    const auto incarnation = row.As<Incarnation>();
    ended.push_back({incarnation, row.As<SessionNumber>()});
  }
  return ended;
}

}  // namespace vigil
