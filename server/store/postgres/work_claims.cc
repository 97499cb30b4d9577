// How work items change hands.
#include "store/postgres/work_claims.h"

#include <utility>

#include "core/errors.h"
#include "core/validate.h"
#include "store/postgres/numbers.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"
#include "store/postgres/work_locks.h"

namespace vigil {

const pg::Statement kLockWorkPods{"lock_work_pods",
                                  "SELECT incarnation, state, cause FROM vigil.pods"
                                  " WHERE namespace = $1 AND incarnation IN ($2, $3)"
                                  " ORDER BY incarnation FOR SHARE"};

const pg::Statement kLockItem{
    "lock_item", "SELECT key FROM vigil.work_items WHERE namespace = $1 AND key = $2 FOR UPDATE"};

Result<void> RequireLiving(const pg::Rows& locked, Incarnation caller) {
  for (pg::Row row : locked) {
    if (row.As<Incarnation>() != caller) continue;
    const PodState state = PodStateFrom(row.Text());
    const Cause cause = CauseFrom(row.Text());
    if (IsLiving(state)) return {};
    return Fail(IncarnationEnded(caller, state, cause));
  }
  return Fail(PodNotFound(std::to_string(caller.value)));
}

namespace {

// Compare-and-set of the owner, with $4 the expected one (0: none) and $5 the expected fence.
constexpr pg::Statement kClaimWork{
    "claim_work",
    "WITH claimant AS MATERIALIZED ("
    "  SELECT incarnation, name, labels FROM vigil.pods"
    "   WHERE namespace = $1 AND incarnation = $3 AND state IN ('ALIVE', 'SUSPECT')),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'OWNED', owner = claimant.incarnation,"
    "         fence = " VIGIL_NEXT_FENCE("item.fence") ","
    "         updated_at = clock_timestamp()"
    "    FROM claimant"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state <> 'COMPLETED'"
    "     AND item.owner IS NOT DISTINCT FROM nullif($4, 0) AND item.fence = $5"
    "     AND (item.owner IS NULL"
    "          OR EXISTS (SELECT FROM vigil.pods AS owner"
    "                      WHERE owner.incarnation = item.owner"
    "                        AND owner.state IN ('DEAD', 'LEFT')))"
    "  RETURNING item.*),"
    " news AS ("
    "  SELECT 'WORK_CLAIMED' AS kind, claimant.name AS pod_name, claimant.incarnation,"
    "         'NONE' AS cause, 0 AS orphans, changed.key AS work_key, changed.fence,"
    "         $4 AS previous_owner, 1 AS position, claimant.labels AS pod_labels,"
    "         " VIGIL_NOT_DETECTED " AS detected_at"
    "    FROM changed, claimant)," VIGIL_APPEND_NEWS
    "SELECT EXISTS (SELECT FROM changed), " VIGIL_WORK_COLUMNS
    "  FROM (SELECT * FROM changed"
    "        UNION ALL SELECT * FROM vigil.work_items"
    "         WHERE namespace = $1 AND key = $2 AND NOT EXISTS (SELECT FROM changed)) AS w"
    "  LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"};

// Locks items by key and waits for none of them, so what it decides on cannot have changed while it
// waited; DEAD and LEFT are final. Of those that it locked it picks the first ones that one answer
// has room for.
constexpr pg::Statement kClaimOrphans{
    "claim_orphans",
    "WITH claimant AS MATERIALIZED ("
    "  SELECT incarnation, name, labels FROM vigil.pods"
    "   WHERE namespace = $1 AND incarnation = $2 AND state IN ('ALIVE', 'SUSPECT')),"
    " locked AS MATERIALIZED ("
    "  SELECT item.key, item.owner, " VIGIL_WORK_BYTES
    " AS bytes"
    "    FROM vigil.work_items AS item"
    "   WHERE item.namespace = $1 AND EXISTS (SELECT FROM claimant)"
    "     AND (item.state = 'RELEASED'"
    "          OR item.state = 'OWNED'"
    "             AND item.owner IN (SELECT ended.incarnation FROM vigil.pods AS ended"
    "                                 WHERE ended.namespace = $1"
    "                                   AND ended.state IN ('DEAD', 'LEFT')))"
    "   ORDER BY item.key LIMIT $3 FOR UPDATE OF item SKIP LOCKED),"
    " picked AS ("
    "  SELECT key, owner"
    "    FROM (SELECT key, owner, sum(bytes) OVER by_key AS total, row_number() OVER by_key AS "
    "place"
    "            FROM locked WINDOW by_key AS (ORDER BY key)) AS counted"
    "   WHERE total <= $4 OR place = 1),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'OWNED', owner = claimant.incarnation,"
    "         fence = " VIGIL_NEXT_FENCE("item.fence") ","
    "         updated_at = clock_timestamp()"
    "    FROM picked, claimant"
    "   WHERE item.namespace = $1 AND item.key = picked.key"
    "  RETURNING item.*, picked.owner AS previous_owner),"
    " news AS ("
    "  SELECT 'WORK_CLAIMED' AS kind, claimant.name AS pod_name, claimant.incarnation,"
    "         'NONE' AS cause, 0 AS orphans, changed.key AS work_key, changed.fence,"
    "         coalesce(changed.previous_owner, 0) AS previous_owner, changed.key AS position,"
    "         claimant.labels AS pod_labels, " VIGIL_NOT_DETECTED " AS detected_at"
    "    FROM changed, claimant)," VIGIL_APPEND_NEWS "SELECT " VIGIL_WORK_COLUMNS
    "  FROM changed AS w LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"
    " ORDER BY w.key"};

}  // namespace

pg::Batch ClaimBatch(const WorkClaim& claim) {
  return {.steps = {{&kLockWorkPods, {claim.ns, claim.claimant, claim.expected_owner}},
                    {&kLockItem, {claim.ns, claim.key}},
                    {&kClaimWork,
                     {claim.ns, claim.key, claim.claimant, claim.expected_owner,
                      claim.expected_fence}}},
          .afterwards = pg::Step{&kWake, {claim.ns}}};
}

Result<ClaimedWork> PostgresStore::ClaimWork(const WorkClaim& claim) {
  auto rows = link_.Execute(ClaimBatch(claim));
  if (!rows) return Fail(std::move(rows.error()));
  if (auto living = RequireLiving((*rows)[0], claim.claimant); !living) {
    return Fail(std::move(living.error()));
  }
  if (rows->back().empty()) return Fail(WorkNotFound(claim.key));
  pg::Row row = rows->back()[0];
  const bool changed = row.Bool();
  ClaimedWork claimed{.item = WorkFrom(row)};
  if (changed) return claimed;

  const WorkItem& item = claimed.item;
  if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
  if (item.owner == claim.expected_owner && item.fence == claim.expected_fence) {
    return Fail(OwnerAlive(item.key, item.owner, item.fence));
  }
  const bool won_already = item.owner == claim.claimant && item.owner != claim.expected_owner &&
                           IsNextFence(item.fence, claim.expected_fence);
  if (!won_already) claimed.outcome = ClaimOutcome::kLost;
  return claimed;
}

Result<std::vector<WorkItem>> PostgresStore::ClaimOrphans(const std::string& ns,
                                                          Incarnation claimant, uint32_t limit) {
  auto rows = ChangeAndWake(ns, {{&kLockWorkPods, {ns, claimant, claimant}},
                                 {&kClaimOrphans, {ns, claimant, limit, kLargestAnswer}}});
  if (!rows) return Fail(std::move(rows.error()));
  if (auto living = RequireLiving((*rows)[0], claimant); !living) {
    return Fail(std::move(living.error()));
  }
  std::vector<WorkItem> items;
  for (pg::Row row : rows->back()) items.push_back(WorkFrom(row));
  return items;
}

}  // namespace vigil
