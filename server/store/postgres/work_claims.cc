// How orphans and released items are claimed.
#include "store/postgres/work_claims.h"

#include <utility>

#include "core/errors.h"
#include "core/validate.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/work_locks.h"
#include "store/postgres/work_parts.h"

namespace vigil {

const pg::Statement kLockCaller{"lock_caller",
                                "SELECT incarnation, state, cause FROM vigil.pods"
                                " WHERE namespace = $1 AND incarnation = $2 FOR SHARE"};

const pg::Statement kLockClaimant{"lock_claimant",
                                  "SELECT incarnation, state, cause FROM vigil.pods"
                                  " WHERE namespace = $1 AND incarnation = $2 FOR NO KEY UPDATE"};

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
    "WITH " VIGIL_LIVING("claimant", "$3")
    ", handed AS MATERIALIZED ("
    "  SELECT " VIGIL_HANDED_OVER
    "    FROM claimant, vigil.work_items AS item"
    "    LEFT JOIN vigil.pods AS owner ON owner.incarnation = item.owner"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state IN ('OWNED', 'RELEASED')"
    "     AND item.owner IS NOT DISTINCT FROM nullif($4, 0) AND item.fence = $5"
    "     AND (item.owner IS NULL OR owner.state IN ('DEAD', 'LEFT'))"
    "     AND CASE item.policy"
    "           WHEN 'ASSIGN' THEN claimant.labels @> item.selector"
    "           WHEN 'STICKY' THEN item.owner IS NULL OR owner.name = claimant.name"
    "                              OR owner.ended_at + item.sticky_wait <= clock_timestamp()"
    "           ELSE true END),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item SET" VIGIL_GIVE_TO("claimant")
    "    FROM handed, claimant"
    "   WHERE item.namespace = $1 AND item.key = handed.key"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("claimant")
    "    FROM changed, handed, claimant)," VIGIL_APPEND_NEWS VIGIL_NOW};

// Locks items by key and waits for none of them, so what it decides on cannot have changed while it
// waited; DEAD and LEFT are final. What it reads of an item it reads of the row that it locked. Of
// those that it locked it picks the first ones that one answer has room for.
constexpr pg::Statement kClaimOrphans{
    "claim_orphans",
    "WITH " VIGIL_LIVING("claimant", "$2")
    ", repeated AS MATERIALIZED ("
    "  SELECT item.* FROM vigil.work_items AS item"
    "   WHERE item.owner = $2 AND item.state = 'OWNED' AND " VIGIL_IS_REPEATED("$7")
    "   ORDER BY item.key LIMIT $3),"
    // Or it was given up since.
    " given_up AS MATERIALIZED ("
    "  SELECT FROM vigil.work_items AS item"
    "   WHERE item.namespace = $1 AND item.owner IS NULL AND " VIGIL_IS_REPEATED("$7") "),"
    " locked AS MATERIALIZED ("
    "  SELECT item.key, item.owner, item.fence, item.adoptions, item.max_adoptions,"
    "         item.owned_at, item.former_owners, " VIGIL_WORK_BYTES
    " AS bytes"
    "    FROM vigil.work_items AS item"
    "   WHERE item.namespace = $1 AND EXISTS (SELECT FROM claimant)"
    "     AND NOT EXISTS (SELECT FROM repeated) AND NOT EXISTS (SELECT FROM given_up)"
    "     AND item.policy <> 'ASSIGN'"
    "     AND (cardinality($5::text[]) = 0 OR item.kind = ANY ($5)) AND item.labels @> $6::jsonb"
    "     AND (item.state = 'RELEASED'"
    "          OR item.state = 'OWNED'"
    "             AND item.owner IN (SELECT ended.incarnation FROM vigil.pods AS ended"
    "                                 WHERE ended.namespace = $1"
    "                                   AND ended.state IN ('DEAD', 'LEFT'))"
    "             AND (item.policy <> 'STICKY'"
    "                  OR EXISTS (SELECT FROM vigil.pods AS owner, claimant"
    "                              WHERE owner.incarnation = item.owner"
    "                                AND (owner.name = claimant.name"
    "                                     OR owner.ended_at + item.sticky_wait"
    "                                        <= clock_timestamp()))))"
    "   ORDER BY item.key LIMIT $3 FOR UPDATE OF item SKIP LOCKED),"
    " picked AS ("
    "  SELECT * FROM (SELECT locked.*, sum(bytes) OVER by_key AS total,"
    "                        row_number() OVER by_key AS place"
    "                   FROM locked WINDOW by_key AS (ORDER BY key)) AS counted"
    "   WHERE total <= $4 OR place = 1),"
    " handed AS MATERIALIZED ("
    "  SELECT " VIGIL_HANDED_OVER
    "    FROM picked AS item LEFT JOIN vigil.pods AS owner ON owner.incarnation = item.owner),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item SET" VIGIL_GIVE_TO("claimant")
    ", requests = " VIGIL_REMEMBER("$7")
    "    FROM handed, claimant"
    "   WHERE item.namespace = $1 AND item.key = handed.key"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("claimant")
    "    FROM changed, handed, claimant WHERE handed.key = changed.key)," VIGIL_APPEND_NEWS
    "SELECT " VIGIL_WORK_COLUMNS
    "  FROM (SELECT * FROM changed UNION ALL SELECT * FROM repeated) AS w"
    "  LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"
    " WHERE w.state = 'OWNED' ORDER BY w.key"};

}  // namespace

pg::Batch ClaimBatch(const WorkClaim& claim) {
  return {.steps = {{&kLockCaller, {claim.ns, claim.claimant}},
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
  const WorkItem& item = claimed.item;
  if (item.state == WorkState::kQuarantined) {
    claimed.outcome = ClaimOutcome::kQuarantined;
    return claimed;
  }
  if (changed) return claimed;
  if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
  if (item.owner == claim.expected_owner && item.fence == claim.expected_fence) {
    if (item.owner && !item.orphan) return Fail(OwnerAlive(item.key, item.owner, item.fence));
    claimed.outcome = ClaimOutcome::kReserved;
    return claimed;
  }
  const bool won_already = item.owner == claim.claimant && item.owner != claim.expected_owner &&
                           IsNextFence(item.fence, claim.expected_fence);
  if (!won_already) claimed.outcome = ClaimOutcome::kLost;
  return claimed;
}

Result<std::vector<WorkItem>> PostgresStore::ClaimOrphans(const OrphansClaim& claim) {
  auto rows = ChangeAndWake(
      claim.ns, {{&kLockClaimant, {claim.ns, claim.claimant}},
                 {&kClaimOrphans,
                  {claim.ns, claim.claimant, claim.limit, kLargestAnswer, claim.choice.kinds,
                   JsonFrom(claim.choice.labels), claim.request_id}}});
  if (!rows) return Fail(std::move(rows.error()));
  if (auto living = RequireLiving((*rows)[0], claim.claimant); !living) {
    return Fail(std::move(living.error()));
  }
  std::vector<WorkItem> items;
  for (pg::Row row : rows->back()) items.push_back(WorkFrom(row));
  return items;
}

}  // namespace vigil
