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
                                " WHERE namespace = $1 AND incarnation = $2 FOR KEY SHARE"};

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
// Whoever comes too late changes nothing, so his commit need not wait for the disk, nor those
// behind him for his commit. A claim that the claimant has won already does: its answer stands for
// the commit that came before.
constexpr pg::Statement kClaimWork{
    "claim_work",
    "WITH " VIGIL_LIVING("claimant", "$3")
    ", handed AS MATERIALIZED ("
    "  SELECT " VIGIL_HANDED_OVER
    "    FROM claimant, vigil.work_items AS item"
    VIGIL_OWNER("owner", "item")
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
    "   WHERE item.namespace = $1 AND item.key = $2"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("claimant")
    "    FROM changed, handed, claimant)," VIGIL_APPEND_NEWS
    "SELECT now.*, CASE WHEN NOT now.exists AND now.owner IS DISTINCT FROM $3"
    "                   THEN set_config('synchronous_commit', 'off', true) END"
    "  FROM (" VIGIL_NOW ") AS now"};

#define VIGIL_IS_CHOSEN                                                               \
  "item.policy <> 'ASSIGN' AND (cardinality($5::text[]) = 0 OR item.kind = ANY ($5))" \
  " AND item.labels @> $6::jsonb"

// Looks at what the ended and nobody own, never at what the living own. Of that it takes the first
// ones by key that nobody has locked: of a thousand of each, since others may be claiming, too.
// DEAD and LEFT are final, so an item that is what it was then, by its state and its fence, may be
// had. Of those that it locked it picks the first ones that one answer has room for, and changes
// them where they lie.
constexpr pg::Statement kClaimOrphans{
    "claim_orphans",
    "WITH claimant AS MATERIALIZED ("
    "  SELECT incarnation, name, labels, $7 <> '' AND $7 = ANY (claims) AS repeats"
    "    FROM vigil.pods"
    "   WHERE namespace = $1 AND incarnation = $2 AND state IN ('ALIVE', 'SUSPECT')),"
    " repeated AS MATERIALIZED ("
    "  SELECT item.* FROM claimant, LATERAL ("
    "    SELECT own.* FROM vigil.work_items AS own"
    "     WHERE own.owner = claimant.incarnation AND own.state = 'OWNED'"
    "       AND $7 = ANY (own.requests) ORDER BY own.key LIMIT $3) AS item"
    "   WHERE claimant.repeats),"
    " candidates AS MATERIALIZED ("
    "  (SELECT orphan.* FROM claimant, LATERAL ("
    "     SELECT incarnation, name, ended_at FROM vigil.pods"
    "      WHERE namespace = $1 AND state IN ('DEAD', 'LEFT') AND may_have_orphans"
    "      ORDER BY incarnation OFFSET 0) AS ended, LATERAL ("
    "     SELECT item.key, item.state, item.fence FROM vigil.work_items AS item"
    "      WHERE item.owner = ended.incarnation AND item.state = 'OWNED' AND " VIGIL_IS_CHOSEN
    "        AND (item.policy <> 'STICKY' OR ended.name = claimant.name"
    "             OR ended.ended_at + item.sticky_wait <= clock_timestamp())"
    "      ORDER BY item.key LIMIT 1000) AS orphan"
    "    WHERE NOT claimant.repeats LIMIT 1000)"
    "  UNION ALL"
    "  (SELECT released.* FROM claimant, LATERAL ("
    "     SELECT item.key, item.state, item.fence FROM vigil.work_items AS item"
    "      WHERE item.namespace = $1 AND item.state = 'RELEASED' AND " VIGIL_IS_CHOSEN
    "      ORDER BY item.key LIMIT 1000) AS released"
    "    WHERE NOT claimant.repeats)),"
    " locked AS MATERIALIZED ("
    "  SELECT item.* FROM (SELECT * FROM candidates ORDER BY key) AS candidate, LATERAL ("
    "    SELECT item.ctid AS tid, item.key, item.owner, item.fence, item.adoptions,"
    "           item.max_adoptions, item.owned_at, item.checkpointed, item.former_owners,"
    "           " VIGIL_WORK_BYTES
    " AS bytes"
    "      FROM vigil.work_items AS item"
    "     WHERE item.namespace = $1 AND item.key = candidate.key"
    "       AND item.state = candidate.state AND item.fence = candidate.fence"
    "       FOR UPDATE SKIP LOCKED) AS item"
    "   LIMIT $3),"
    " picked AS ("
    "  SELECT * FROM (SELECT locked.*, sum(bytes) OVER by_key AS total,"
    "                        row_number() OVER by_key AS place"
    "                   FROM locked WINDOW by_key AS (ORDER BY key)) AS counted"
    "   WHERE total <= $4 OR place = 1),"
    " handed AS MATERIALIZED ("
    "  SELECT item.tid, " VIGIL_HANDED_OVER
    "    FROM picked AS item" VIGIL_OWNER("owner", "item") "),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item SET" VIGIL_GIVE_TO("claimant")
    ", requests = " VIGIL_REMEMBER("$7")
    "    FROM handed, claimant WHERE item.ctid = handed.tid"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("claimant")
    "    FROM changed, handed, claimant WHERE handed.key = changed.key)," VIGIL_APPEND_NEWS
    ", remembered AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET claims = (pod.claims || $7)[greatest(cardinality(pod.claims) - 14, 1):]"
    "   WHERE pod.incarnation = $2 AND $7 <> '' AND EXISTS (SELECT FROM changed)),"
    " " VIGIL_NOTE_NO_ORPHANS("100") " SELECT " VIGIL_WORK_COLUMNS
    "  FROM (SELECT * FROM changed UNION ALL SELECT * FROM repeated) AS w"
    VIGIL_OWNER("o", "w")
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
