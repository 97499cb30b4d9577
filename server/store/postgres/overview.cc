// What an operator looks at.
//
// It is asked for again and again, so each part goes through an index and ends at a limit:
//  - the living pods, all of them, by pods_living: as many as the lock table has room for;
//  - ends of the last hour, the last ones first, by pods_ended;
//  - orphans from those who may have left some, by pods_with_orphans and work_items_owned: never
//    what the living own;
//  - the end of the log, backwards by its primary key.
#include <utility>

#include "base/check.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kReadOverview{
    "read_overview",
    "WITH log AS MATERIALIZED ("
    "  SELECT coalesce(max(head), 0) AS head, coalesce(max(last.mark), 0) AS mark"
    "    FROM vigil.namespaces AS space"
    "    LEFT JOIN vigil.events AS last ON last.namespace = space.name AND last.seq = space.head"
    "   WHERE space.name = $1),"
    " living AS MATERIALIZED ("
    "  SELECT namespace, name, incarnation, state, profile, lease, '{}' AS labels, coordinator,"
    "         session, cause, registered_at, ended_at"
    "    FROM vigil.pods WHERE namespace = $1 AND state IN ('ALIVE', 'SUSPECT')),"
    " ended AS MATERIALIZED ("
    "  SELECT state, CASE WHEN cause <> 'SUPERSEDED'"
    "                     THEN ended_at - coalesce(suspected_at, ended_at) END AS took"
    "    FROM vigil.pods"
    "   WHERE namespace = $1 AND state IN ('DEAD', 'LEFT') AND ended_at > now() - interval '1 hour'"
    "   ORDER BY ended_at DESC LIMIT $3),"
    " died AS ("
    "  SELECT count(*) AS total, percentile_disc(0.5) WITHIN GROUP (ORDER BY took) AS p50,"
    "         percentile_disc(0.99) WITHIN GROUP (ORDER BY took) AS p99"
    "    FROM ended WHERE state = 'DEAD'),"
    " leavers AS MATERIALIZED ("
    "  SELECT incarnation, ended_at FROM vigil.pods"
    "   WHERE namespace = $1 AND state IN ('DEAD', 'LEFT') AND may_have_orphans"
    "   ORDER BY incarnation LIMIT $4),"
    " orphans AS MATERIALIZED ("
    "  SELECT leavers.ended_at FROM leavers, LATERAL ("
    "    SELECT item.key FROM vigil.work_items AS item"
    "     WHERE item.owner = leavers.incarnation AND item.state = 'OWNED'"
    "     ORDER BY item.key LIMIT $4) AS item"
    "   LIMIT $4),"
    " quarantined AS ("
    "  SELECT count(*) AS total FROM ("
    "    SELECT key FROM vigil.work_items WHERE namespace = $1 AND state = 'QUARANTINED'"
    "     ORDER BY key LIMIT $4) AS first),"
    " totals AS MATERIALIZED ("
    "  SELECT log.head, log.mark, now() AS read_at,"
    "         (SELECT count(*) FROM living WHERE state = 'ALIVE') AS alive,"
    "         (SELECT count(*) FROM living WHERE state = 'SUSPECT') AS suspect,"
    "         died.total AS deaths, (SELECT count(*) FROM ended) >= $3 AS more_deaths,"
    "         died.p50, died.p99, (SELECT count(*) FROM orphans) AS orphans,"
    "         (SELECT count(*) FROM orphans) >= $4 OR (SELECT count(*) FROM leavers) >= $4"
    "           AS more_orphans,"
    "         (SELECT min(ended_at) FROM orphans) AS orphans_since,"
    "         quarantined.total AS quarantined, quarantined.total >= $4 AS more_quarantined"
    "    FROM log, died, quarantined)"
    "SELECT totals.*, " VIGIL_POD_COLUMNS
    "  FROM totals LEFT JOIN (SELECT * FROM living"
    "                          ORDER BY state = 'ALIVE', incarnation LIMIT $2) AS pod ON true"
    " ORDER BY state = 'ALIVE', incarnation"};

constexpr pg::Statement kReadOverviewEvents{
    "read_overview_events",
    "SELECT " VIGIL_EVENT_COLUMNS
    "  FROM (SELECT seq, transaction_end, mark, kind, pod_name, incarnation, cause, orphans,"
    "               work_key, fence, previous_owner, occurred_at, detected_at, '{}' AS pod_labels"
    "          FROM (SELECT * FROM vigil.events WHERE namespace = $1"
    "                 ORDER BY seq DESC LIMIT $2) AS last"
    "         WHERE (kind IN ('POD_DIED', 'WORK_QUARANTINED')"
    "                OR kind = 'WORK_CLAIMED' AND previous_owner > 0)"
    "           AND seq >= (SELECT oldest FROM vigil.namespaces WHERE name = $1)"
    "         ORDER BY seq DESC LIMIT $3) AS e"
    " ORDER BY e.seq"};

constexpr pg::Statement kReadOverviewCoordinators{
    "read_overview_coordinators",
    "WITH shown AS ("
    "  (SELECT coordinator, address, state, started_at, ended_at FROM vigil.coordinators"
    "    WHERE state = 'ALIVE' ORDER BY coordinator LIMIT $2)"
    "  UNION ALL"
    "  (SELECT * FROM (SELECT coordinator, address, state, started_at, ended_at"
    "                    FROM vigil.coordinators ORDER BY coordinator DESC LIMIT $2) AS last"
    "    WHERE state <> 'ALIVE' AND ended_at > now() - interval '1 hour')),"
    " hosted AS ("
    "  SELECT coordinator, count(*) AS pods FROM vigil.pods"
    "   WHERE namespace = $1 AND state IN ('ALIVE', 'SUSPECT') GROUP BY coordinator)"
    "SELECT coordinator, address, state, coalesce(pods, 0), started_at, ended_at"
    "  FROM shown LEFT JOIN hosted USING (coordinator)"
    " ORDER BY state <> 'ALIVE', coordinator"};

// Connections that are reserved are not for the likes of us.
constexpr pg::Statement kReadOverviewConnections{
    "read_overview_connections",
    "SELECT (SELECT sum(numbackends) FROM pg_stat_database)::bigint,"
    "       current_setting('max_connections')::bigint"
    "       - current_setting('superuser_reserved_connections')::bigint"
    "       - coalesce(current_setting('reserved_connections', true), '0')::bigint"};

WallMicros TimeFrom(pg::Row& row) { return WallMicros{static_cast<uint64_t>(row.Micros())}; }

std::optional<Duration> DurationFrom(pg::Row& row) {
  if (!row.IsNull()) return row.Interval();
  row.Skip();
  return std::nullopt;
}

uint64_t NumberFrom(pg::Row& row) { return static_cast<uint64_t>(row.Bigint()); }

Count CountFrom(pg::Row& row) {
  const uint64_t number = NumberFrom(row);
  return {number, row.Bool()};
}

CoordinatorState CoordinatorStateFrom(const std::string& name) {
  if (name == "ALIVE") return CoordinatorState::kAlive;
  if (name == "LEFT") return CoordinatorState::kLeft;
  VIGIL_CHECK(name == "DEAD");
  return CoordinatorState::kDead;
}

// Of a row of kReadOverview, up to the pod's columns.
void ReadTotals(pg::Row& row, Overview& overview) {
  overview.head = PositionFrom(row);
  overview.read_at = TimeFrom(row);
  overview.alive = NumberFrom(row);
  overview.suspect = NumberFrom(row);
  overview.deaths = CountFrom(row);
  overview.detection_p50 = DurationFrom(row);
  overview.detection_p99 = DurationFrom(row);
  overview.orphans = CountFrom(row);
  overview.orphans_since = TimeFrom(row);
  overview.quarantined = CountFrom(row);
}

CoordinatorSummary SummaryFrom(pg::Row row) {
  CoordinatorSummary summary;
  summary.number = row.As<CoordinatorNumber>();
  summary.address = row.Text();
  summary.state = CoordinatorStateFrom(row.Text());
  summary.pods = NumberFrom(row);
  summary.started_at = TimeFrom(row);
  summary.ended_at = TimeFrom(row);
  return summary;
}

}  // namespace

Result<Overview> PostgresStore::ReadOverview(const std::string& ns, const OverviewLimits& limits) {
  auto read =
      link_.Execute({.steps = {{&kReadOverview, {ns, limits.pods, limits.ends, limits.orphans}},
                               {&kReadOverviewEvents, {ns, limits.events_read, limits.events}},
                               {&kReadOverviewCoordinators, {ns, limits.coordinators}},
                               {&kReadOverviewConnections, {}}},
                     .changes = false});
  if (!read) return Fail(std::move(read.error()));
  Overview overview;
  for (pg::Row row : (*read)[0]) {
    ReadTotals(row, overview);
    if (!row.IsNull()) overview.pods.push_back(PodFrom(row));
  }
  // Each statement sees what was committed before it began.
  for (pg::Row row : (*read)[1]) {
    Event event = EventFrom(row);
    if (event.seq <= overview.head.seq) overview.events.push_back(std::move(event));
  }
  for (pg::Row row : (*read)[2]) overview.coordinators.push_back(SummaryFrom(row));
  pg::Row connections = (*read)[3][0];
  overview.connections = NumberFrom(connections);
  overview.connection_limit = NumberFrom(connections);
  return overview;
}

}  // namespace vigil
