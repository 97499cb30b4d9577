// Work items in the hands of their owners.
#include <utility>

#include "core/errors.h"
#include "store/deeds.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/work_locks.h"
#include "store/postgres/work_parts.h"

namespace vigil {
namespace {

constexpr int kRaces = 5;

// Who changes an item that it holds: $1 namespace, $2 key, $3 incarnation, $4 fence.
#define VIGIL_HOLDER "WITH " VIGIL_LIVING("holder", "$3") ","
#define VIGIL_IS_HELD                                                          \
  " item.namespace = $1 AND item.key = $2 AND item.owner = holder.incarnation" \
  "   AND item.fence = $4 AND item.state = 'OWNED'"
#define VIGIL_HOLDER_NEWS(kind)                                                     \
  " news AS ("                                                                      \
  "  SELECT " kind                                                                  \
  " AS kind, holder.name AS pod_name, holder.incarnation,"                          \
  "         'NONE' AS cause, 0 AS orphans, changed.key AS work_key, changed.fence," \
  "         0 AS previous_owner, 1 AS position, holder.labels AS pod_labels,"       \
  "         " VIGIL_NOT_DETECTED                                                    \
  " AS detected_at"                                                                 \
  "    FROM changed, holder),"

constexpr pg::Statement kCheckpointWork{
    "checkpoint_work", VIGIL_HOLDER
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET checkpoint = $5, checkpoint_number = greatest(item.checkpoint_number, $6),"
    "         checkpointed = true, updated_at = clock_timestamp()"
    "    FROM holder WHERE" VIGIL_IS_HELD
    "     AND ($6 = 0 OR $6 > item.checkpoint_number)"
    "  RETURNING item.*) " VIGIL_NOW};

constexpr pg::Statement kCompleteWork{
    "complete_work", VIGIL_HOLDER
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'COMPLETED', result = $5, updated_at = clock_timestamp()"
    "    FROM holder WHERE" VIGIL_IS_HELD
    "  RETURNING item.*)," VIGIL_HOLDER_NEWS("'WORK_COMPLETED'") VIGIL_APPEND_NEWS VIGIL_NOW};

// What $5 is to the next two: the caller's deed. By it a repetition is known.
constexpr pg::Statement kReleaseWork{
    "release_work", VIGIL_HOLDER
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'RELEASED', owner = NULL, updated_at = clock_timestamp(),"
    "         requests = " VIGIL_REMEMBER("$5") ","
    "         adoptions = " VIGIL_ADOPTIONS_AT("clock_timestamp()")
    "    FROM holder WHERE" VIGIL_IS_HELD
    "  RETURNING item.*)," VIGIL_HOLDER_NEWS("'WORK_RELEASED'") VIGIL_APPEND_NEWS
    "SELECT " VIGIL_REMEMBERS("$5") ", found.* FROM (" VIGIL_NOW ") AS found"};

constexpr pg::Statement kFailWork{
    "fail_work", VIGIL_HOLDER
    " counted AS MATERIALIZED ("
    "  SELECT " VIGIL_ADOPTIONS_AT("clock_timestamp()") " AS adoptions"
    "    FROM vigil.work_items AS item WHERE item.namespace = $1 AND item.key = $2),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = CASE WHEN counted.adoptions < item.max_adoptions THEN 'RELEASED'"
    "                      ELSE 'QUARANTINED' END,"
    "         owner = NULL, adoptions = least(counted.adoptions + 1, item.max_adoptions),"
    "         requests = " VIGIL_REMEMBER("$5") ","
    "         former_owners = " VIGIL_ADD_FORMER_OWNER("holder.name", "'NONE'", "$6", "clock_timestamp()")
    ", updated_at = clock_timestamp()"
    "    FROM holder, counted WHERE" VIGIL_IS_HELD
    "  RETURNING item.*),"
    VIGIL_HOLDER_NEWS("CASE changed.state WHEN 'RELEASED' THEN 'WORK_RELEASED'"
                      " ELSE 'WORK_QUARANTINED' END") VIGIL_APPEND_NEWS
    "SELECT " VIGIL_REMEMBERS("$5") ", found.* FROM (" VIGIL_NOW ") AS found"};

// Key-share-locks the rows of the caller ($2) and of the living pod of the name $3, by number.
constexpr pg::Statement kLockTransferPods{
    "lock_transfer_pods",
    "SELECT pod.* FROM (SELECT $2 AS number"
    "                   UNION SELECT incarnation FROM vigil.pods"
    "                          WHERE namespace = $1 AND name = $3"
    "                            AND state IN ('ALIVE', 'SUSPECT')"
    "                   ORDER BY number) AS named, LATERAL ("
    "  SELECT incarnation, state, cause FROM vigil.pods"
    "   WHERE incarnation = named.number AND namespace = $1 FOR KEY SHARE) AS pod"};

// A pod of the name that has registered since the rows were locked is locked here, without waiting
// behind the item's lock; when somebody else has it, the caller looks again. $6 is the caller's
// deed, which is remembered with the fence that it gave: after a failover that is not the next one.
#define VIGIL_GAVE(fence) "($6 || ' and gave ' || (" fence "))"
constexpr pg::Statement kTransferWork{
    "transfer_work", VIGIL_HOLDER
    " target AS MATERIALIZED ("
    "  SELECT incarnation, name, labels FROM vigil.pods"
    "   WHERE namespace = $1 AND name = $5 AND state IN ('ALIVE', 'SUSPECT')"
    "     AND (may_claim OR incarnation = $3)"
    "   FOR KEY SHARE SKIP LOCKED),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET owner = target.incarnation, fence = " VIGIL_NEXT_FENCE("item.fence") ","
    "         adoptions = " VIGIL_ADOPTIONS_AT("clock_timestamp()") ","
    "         owned_at = clock_timestamp(), updated_at = clock_timestamp(),"
    "         checkpoint_number = 0, checkpointed = false,"
    "         requests = " VIGIL_REMEMBER(VIGIL_GAVE(VIGIL_NEXT_FENCE("item.fence")))
    "    FROM holder, target WHERE" VIGIL_IS_HELD
    "     AND target.incarnation <> holder.incarnation"
    "  RETURNING item.*),"
    " news AS ("
    "  SELECT 'WORK_CLAIMED' AS kind, target.name AS pod_name, target.incarnation,"
    "         'NONE' AS cause, 0 AS orphans, changed.key AS work_key, changed.fence,"
    "         $3 AS previous_owner, 1 AS position, target.labels AS pod_labels,"
    "         " VIGIL_NOT_DETECTED " AS detected_at"
    "    FROM changed, target)," VIGIL_APPEND_NEWS
    "SELECT EXISTS (SELECT FROM target),"
    "       EXISTS (SELECT FROM vigil.pods WHERE namespace = $1 AND name = $5"
    "                                        AND state IN ('ALIVE', 'SUSPECT')),"
    "       EXISTS (SELECT FROM vigil.pods WHERE namespace = $1 AND name = $5 AND NOT may_claim"
    "                                        AND state IN ('ALIVE', 'SUSPECT')),"
    "       " VIGIL_REMEMBERS(VIGIL_GAVE("item.fence")) ", found.* FROM (" VIGIL_NOW ") AS found"};

}  // namespace

Result<PostgresStore::HeldItem> PostgresStore::ChangeHeld(const pg::Statement& statement,
                                                          const WorkHolder& holder, pg::Params more,
                                                          bool wake) {
  pg::Params params{holder.ns, holder.key, holder.incarnation, holder.fence};
  for (pg::Param& param : more) params.push_back(std::move(param));
  auto rows = link_.Execute(
      {.steps = {{&kLockCaller, {holder.ns, holder.incarnation}},
                 {&kLockItem, {holder.ns, holder.key}},
                 {&statement, std::move(params)}},
       .afterwards = wake ? std::optional(pg::Step{&kWake, {holder.ns}}) : std::nullopt});
  if (!rows) return Fail(std::move(rows.error()));
  return Held(*rows, holder);
}

Result<PostgresStore::HeldItem> PostgresStore::Held(const std::vector<pg::Rows>& rows,
                                                    const WorkHolder& holder, int skip) {
  auto living = RequireLiving(rows.front(), holder.incarnation);
  if (rows.back().empty()) {
    return Fail(living ? WorkNotFound(holder.key) : std::move(living.error()));
  }
  pg::Row row = rows.back()[0];
  for (int i = 0; i < skip; ++i) row.Skip();
  HeldItem held{.changed = row.Bool(), .item = WorkFrom(row)};
  if (!living) {
    // Who has it now is of more use to the dead than that they are dead.
    const bool overtaken =
        living.error().Is(reason::kIncarnationEnded) && held.item.fence > holder.fence;
    return Fail(overtaken ? Fenced(held.item.key, held.item.owner, held.item.fence)
                          : std::move(living.error()));
  }
  held.held =
      held.changed || (held.item.owner == holder.incarnation && held.item.fence == holder.fence);
  return held;
}

Result<WorkItem> PostgresStore::CheckpointWork(const WorkHolder& holder,
                                               const std::string& checkpoint, uint64_t number) {
  auto held = ChangeHeld(kCheckpointWork, holder, {pg::Param::Bytes(checkpoint), number},
                         /*wake=*/false);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
  return item;
}

Result<WorkItem> PostgresStore::CompleteWork(const WorkHolder& holder, const std::string& result) {
  auto held = ChangeHeld(kCompleteWork, holder, {pg::Param::Bytes(result)}, /*wake=*/true);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  return item;
}

Result<WorkItem> PostgresStore::GiveUp(const pg::Statement& statement, const WorkHolder& holder,
                                       pg::Params more) {
  pg::Params params{holder.ns, holder.key, holder.incarnation, holder.fence};
  for (pg::Param& param : more) params.push_back(std::move(param));
  auto rows = ChangeAndWake(holder.ns, {{&kLockCaller, {holder.ns, holder.incarnation}},
                                        {&kLockItem, {holder.ns, holder.key}},
                                        {&statement, std::move(params)}});
  if (!rows) return Fail(std::move(rows.error()));
  auto held = Held(*rows, holder, /*skip=*/1);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  pg::Row row = rows->back()[0];
  const bool repeated = row.Bool() && item.fence == holder.fence;
  if (held->changed || repeated) return item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  return Fail(WorkCompleted(item.key));
}

Result<WorkItem> PostgresStore::ReleaseWork(const WorkHolder& holder) {
  return GiveUp(kReleaseWork, holder, {Deed("released", holder)});
}

Result<WorkItem> PostgresStore::FailWork(const WorkHolder& holder, const std::string& reason) {
  return GiveUp(kFailWork, holder, {Deed("failed", holder), reason});
}

Result<WorkItem> PostgresStore::TransferWork(const WorkHolder& holder, const std::string& to_name) {
  for (int race = 0; race < kRaces; ++race) {
    auto rows =
        ChangeAndWake(holder.ns, {{&kLockTransferPods, {holder.ns, holder.incarnation, to_name}},
                                  {&kLockItem, {holder.ns, holder.key}},
                                  {&kTransferWork,
                                   {holder.ns, holder.key, holder.incarnation, holder.fence,
                                    to_name, Deed("gave to " + to_name, holder)}}});
    if (!rows) return Fail(std::move(rows.error()));
    auto held = Held(*rows, holder, /*skip=*/4);
    if (!held) return Fail(std::move(held.error()));
    pg::Row row = rows->back()[0];
    const bool locked = row.Bool();
    const bool living = row.Bool();
    const bool barred = row.Bool();
    const bool repeated = row.Bool();
    const WorkItem& item = held->item;
    if (held->changed || repeated) return item;
    if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
    if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
    if (locked) return item;
    if (!living) return Fail(PodNotFound(to_name));
    if (barred) return Fail(MayNotHaveWork(to_name));
  }
  return Fail(DatabaseUnavailable("too many changes of the pod of this name raced"));
}

}  // namespace vigil
