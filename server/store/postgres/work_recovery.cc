// What coordinators and operators do with items that nobody has.
#include <utility>

#include "core/errors.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/work_locks.h"
#include "store/postgres/work_parts.h"

namespace vigil {
namespace {

// Of an item of the policy ASSIGN.
#define VIGIL_IS_NOBODYS                                  \
  "(item.state = 'RELEASED'"                              \
  " OR item.state = 'OWNED'"                              \
  "    AND EXISTS (SELECT FROM vigil.pods AS ended"       \
  "                 WHERE ended.incarnation = item.owner" \
  "                   AND ended.state IN ('DEAD', 'LEFT')))"

constexpr pg::Statement kListAssignable{
    "list_assignable",
    "SELECT DISTINCT item.namespace FROM vigil.work_items AS item"
    " WHERE item.namespace > $1 AND item.policy = 'ASSIGN'"
    "   AND item.state IN ('OWNED', 'RELEASED') AND " VIGIL_IS_NOBODYS
    " ORDER BY item.namespace LIMIT $2"};

// One selector at a time: the first that some pod matches. Its pods have places, as many each as
// there may be items, in the order of what each owns by then; the items take the first ones.
// Neither pods nor items are waited for, so locking both in one statement deadlocks with nobody,
// and what is read of a row is read as it was locked.
constexpr pg::Statement kAssignWork{
    "assign_work",
    "WITH chosen AS MATERIALIZED ("
    "  SELECT item.selector FROM vigil.work_items AS item"
    "   WHERE item.namespace = $1 AND item.policy = 'ASSIGN'"
    "     AND item.state IN ('OWNED', 'RELEASED') AND " VIGIL_IS_NOBODYS
    "     AND EXISTS (SELECT FROM vigil.pods AS pod"
    "                  WHERE pod.namespace = $1 AND pod.state = 'ALIVE'"
    "                    AND pod.labels @> item.selector)"
    "   ORDER BY item.key LIMIT 1),"
    " candidates AS MATERIALIZED ("
    "  SELECT pod.incarnation, pod.name, pod.labels,"
    "         (SELECT count(*) FROM vigil.work_items AS owned"
    "           WHERE owned.owner = pod.incarnation AND owned.state = 'OWNED') AS items"
    "    FROM vigil.pods AS pod, chosen"
    "   WHERE pod.namespace = $1 AND pod.state = 'ALIVE' AND pod.labels @> chosen.selector"
    "   ORDER BY items, pod.incarnation LIMIT $2 FOR SHARE OF pod SKIP LOCKED),"
    " locked AS MATERIALIZED ("
    "  SELECT item.key, item.owner, item.fence, item.adoptions, item.max_adoptions,"
    "         item.owned_at, item.former_owners"
    "    FROM vigil.work_items AS item, chosen"
    "   WHERE item.namespace = $1 AND item.policy = 'ASSIGN'"
    "     AND item.state IN ('OWNED', 'RELEASED') AND item.selector = chosen.selector"
    "     AND EXISTS (SELECT FROM candidates) AND " VIGIL_IS_NOBODYS
    "   ORDER BY item.key LIMIT $2 FOR UPDATE OF item SKIP LOCKED),"
    " handed AS MATERIALIZED ("
    "  SELECT found.*, row_number() OVER (PARTITION BY exhausted ORDER BY key) AS place"
    "    FROM (SELECT " VIGIL_HANDED_OVER
    "            FROM locked AS item LEFT JOIN vigil.pods AS owner"
    "              ON owner.incarnation = item.owner) AS found),"
    " takers AS MATERIALIZED ("
    "  SELECT incarnation, name, labels,"
    "         row_number() OVER (ORDER BY items + turn, incarnation) AS place"
    "    FROM candidates, generate_series(1, $2) AS turn),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item SET" VIGIL_GIVE_TO("taker")
    "    FROM handed LEFT JOIN takers AS taker ON taker.place = handed.place"
    "   WHERE item.namespace = $1 AND item.key = handed.key"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("taker")
    "    FROM changed JOIN handed USING (key) LEFT JOIN takers AS taker USING (place))," VIGIL_APPEND_NEWS
    "SELECT count(*) FILTER (WHERE state = 'OWNED'),"
    "       count(*) FILTER (WHERE state = 'QUARANTINED') FROM changed"};

constexpr pg::Statement kReleaseQuarantined{
    "release_quarantined",
    "WITH changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'RELEASED', adoptions = 0, updated_at = clock_timestamp()"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state = 'QUARANTINED'"
    "     AND item.fence = $3"
    "  RETURNING item.*),"
    " news AS ("
    "  SELECT 'WORK_RELEASED' AS kind, '' AS pod_name, 0 AS incarnation, 'NONE' AS cause,"
    "         0 AS orphans, changed.key AS work_key, changed.fence, 0 AS previous_owner,"
    "         1 AS position, '{}'::jsonb AS pod_labels, " VIGIL_NOT_DETECTED
    " AS detected_at"
    "    FROM changed)," VIGIL_APPEND_NEWS VIGIL_NOW};

}  // namespace

Result<std::vector<std::string>> PostgresStore::ListAssignable(const std::string& after,
                                                               uint32_t limit) {
  auto rows = link_.Read(kListAssignable, {after, limit});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<std::string> namespaces;
  for (pg::Row row : *rows) namespaces.push_back(row.Text());
  return namespaces;
}

Result<AssignedWork> PostgresStore::AssignWork(const std::string& ns, uint32_t limit) {
  auto rows = Change({{&kAssignWork, {ns, limit}}});
  if (!rows) return Fail(std::move(rows.error()));
  pg::Row row = (*rows)[0];
  AssignedWork done{.assigned = static_cast<uint32_t>(row.Bigint()),
                    .quarantined = static_cast<uint32_t>(row.Bigint())};
  done.more = done.assigned + done.quarantined > 0;
  if (done.more) Wake(ns);
  return done;
}

Result<WorkItem> PostgresStore::ReleaseQuarantined(const std::string& ns, const std::string& key,
                                                   Fence fence) {
  auto rows =
      ChangeAndWake(ns, {{&kLockItem, {ns, key}}, {&kReleaseQuarantined, {ns, key, fence}}});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->back().empty()) return Fail(WorkNotFound(key));
  pg::Row row = rows->back()[0];
  const bool changed = row.Bool();
  WorkItem item = WorkFrom(row);
  const bool repeated = item.state == WorkState::kReleased && item.fence == fence;
  if (!changed && !repeated) return Fail(Fenced(item.key, item.owner, item.fence));
  return item;
}

}  // namespace vigil
