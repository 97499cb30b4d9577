// Work items in the hands of their owners, and how they are looked at.
#include <utility>

#include "core/errors.h"
#include "core/validate.h"
#include "store/postgres/numbers.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"
#include "store/postgres/work_locks.h"

namespace vigil {
namespace {

constexpr int kRaces = 5;

// An item that another transaction inserts at this moment is waited for, and then makes this one
// insert and return nothing: the caller looks again.
constexpr pg::Statement kStartWork{
    "start_work",
    "WITH starter AS MATERIALIZED ("
    "  SELECT incarnation, name, labels FROM vigil.pods"
    "   WHERE namespace = $1 AND incarnation = $3 AND state IN ('ALIVE', 'SUSPECT')),"
    " before AS MATERIALIZED ("
    "  SELECT * FROM vigil.work_items WHERE namespace = $1 AND key = $2),"
    " started AS ("
    "  INSERT INTO vigil.work_items (namespace, key, owner, fence, payload)"
    "  SELECT $1, $2, incarnation, " VIGIL_NEXT_FENCE("fence_floor") ", $4"
    "    FROM starter, vigil.namespaces AS space WHERE space.name = $1 AND NOT EXISTS (SELECT FROM before)"
    "  ON CONFLICT DO NOTHING RETURNING *),"
    " taken AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'OWNED', owner = starter.incarnation,"
    "         fence = " VIGIL_NEXT_FENCE("item.fence") ","
    "         updated_at = clock_timestamp()"
    "    FROM starter"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state = 'RELEASED'"
    "  RETURNING item.*),"
    " news AS ("
    "  SELECT 'WORK_CLAIMED' AS kind, starter.name AS pod_name, starter.incarnation,"
    "         'NONE' AS cause, 0 AS orphans, taken.key AS work_key, taken.fence,"
    "         0 AS previous_owner, 1 AS position, starter.labels AS pod_labels,"
    "         " VIGIL_NOT_DETECTED " AS detected_at"
    "    FROM taken, starter)," VIGIL_APPEND_NEWS
    "SELECT EXISTS (SELECT FROM taken), " VIGIL_WORK_COLUMNS
    "  FROM (SELECT * FROM started UNION ALL SELECT * FROM taken"
    "        UNION ALL SELECT * FROM before WHERE NOT EXISTS (SELECT FROM taken)) AS w"
    "  LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"};

// Who changes an item that it holds: $1 namespace, $2 key, $3 incarnation, $4 fence.
#define VIGIL_HOLDER                                   \
  "WITH holder AS MATERIALIZED ("                      \
  "  SELECT incarnation, name, labels FROM vigil.pods" \
  "   WHERE namespace = $1 AND incarnation = $3 AND state IN ('ALIVE', 'SUSPECT')),"
#define VIGIL_IS_HELD                                                                \
  " FROM holder"                                                                     \
  " WHERE item.namespace = $1 AND item.key = $2 AND item.owner = holder.incarnation" \
  "   AND item.fence = $4 AND item.state = 'OWNED'"                                  \
  " RETURNING item.*"
#define VIGIL_HOLDER_NEWS(kind)                                                     \
  " news AS ("                                                                      \
  "  SELECT " kind                                                                  \
  " AS kind, holder.name AS pod_name, holder.incarnation,"                          \
  "         'NONE' AS cause, 0 AS orphans, changed.key AS work_key, changed.fence," \
  "         0 AS previous_owner, 1 AS position, holder.labels AS pod_labels,"       \
  "         " VIGIL_NOT_DETECTED                                                    \
  " AS detected_at"                                                                 \
  "    FROM changed, holder),"
#define VIGIL_NOW                                                                    \
  "SELECT EXISTS (SELECT FROM changed), " VIGIL_WORK_COLUMNS                         \
  "  FROM (SELECT * FROM changed"                                                    \
  "        UNION ALL SELECT * FROM vigil.work_items"                                 \
  "         WHERE namespace = $1 AND key = $2 AND NOT EXISTS (SELECT FROM changed))" \
  "       AS w"                                                                      \
  "  LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"

constexpr pg::Statement kCheckpointWork{"checkpoint_work", VIGIL_HOLDER
                                        " changed AS ("
                                        "  UPDATE vigil.work_items AS item SET checkpoint = $5, "
                                        "updated_at = clock_timestamp()" VIGIL_IS_HELD
                                        ") " VIGIL_NOW};

constexpr pg::Statement kCompleteWork{
    "complete_work", VIGIL_HOLDER
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'COMPLETED', result = $5, updated_at = clock_timestamp()" VIGIL_IS_HELD
    ")," VIGIL_HOLDER_NEWS("'WORK_COMPLETED'") VIGIL_APPEND_NEWS VIGIL_NOW};

constexpr pg::Statement kReleaseWork{
    "release_work", VIGIL_HOLDER
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'RELEASED', owner = NULL, updated_at = clock_timestamp()" VIGIL_IS_HELD
    ")," VIGIL_HOLDER_NEWS("'WORK_RELEASED'") VIGIL_APPEND_NEWS VIGIL_NOW};

constexpr pg::Statement kGetWork{
    "get_work", "SELECT " VIGIL_WORK_COLUMNS
                "  FROM vigil.work_items AS w LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"
                " WHERE w.namespace = $1 AND w.key = $2"};

// Returns up to one item more than the page may have, by its count and by its bytes.
constexpr pg::Statement kListWork{
    "list_work",
    "SELECT " VIGIL_WORK_COLUMNS
    "  FROM (SELECT found.*, row_number() OVER by_key AS place,"
    "               sum(bytes) OVER by_key - bytes AS bytes_before"
    "          FROM (SELECT item.*, " VIGIL_WORK_BYTES
    " AS bytes"
    "                  FROM vigil.work_items AS item"
    "                  LEFT JOIN vigil.pods AS owner ON owner.incarnation = item.owner"
    "                 WHERE item.namespace = $1 AND item.key > $5 AND ($2 = 0 OR item.owner = $2)"
    "                   AND (NOT $3 OR item.state = 'RELEASED'"
    "                        OR item.state = 'OWNED' AND owner.state IN ('DEAD', 'LEFT'))"
    "                   AND ($4 OR item.state <> 'COMPLETED')"
    "                 ORDER BY item.key LIMIT $6) AS found"
    "        WINDOW by_key AS (ORDER BY key)) AS w"
    "  LEFT JOIN vigil.pods AS o ON o.incarnation = w.owner"
    " WHERE w.bytes_before <= $7 OR w.place = 2"
    " ORDER BY w.key"};

}  // namespace

Result<StartedWork> PostgresStore::StartWork(const std::string& ns, const std::string& key,
                                             Incarnation incarnation, const std::string& payload) {
  for (int race = 0; race < kRaces; ++race) {
    auto rows = link_.Execute(
        {.steps = {{&kLockWorkPods, {ns, incarnation, incarnation}},
                   {&kLockItem, {ns, key}},
                   {&kStartWork, {ns, key, incarnation, pg::Param::Bytes(payload)}}}});
    if (!rows) return Fail(std::move(rows.error()));
    if (auto living = RequireLiving((*rows)[0], incarnation); !living) {
      return Fail(std::move(living.error()));
    }
    if (rows->back().empty()) continue;
    pg::Row row = rows->back()[0];
    // Most starts make no event, so the wake-up is not part of every one of them.
    if (row.Bool()) Wake(ns);
    StartedWork started{.item = WorkFrom(row)};
    if (started.item.state == WorkState::kCompleted) {
      started.outcome = StartOutcome::kCompleted;
    } else if (started.item.owner != incarnation) {
      started.outcome = started.item.orphan ? StartOutcome::kOrphaned : StartOutcome::kOwned;
    }
    return started;
  }
  return Fail(DatabaseUnavailable("too many starts of this item raced"));
}

Result<PostgresStore::HeldItem> PostgresStore::ChangeHeld(const pg::Statement& statement,
                                                          const WorkHolder& holder, pg::Params more,
                                                          bool wake) {
  pg::Params params{holder.ns, holder.key, holder.incarnation, holder.fence};
  for (pg::Param& param : more) params.push_back(std::move(param));
  auto rows = link_.Execute(
      {.steps = {{&kLockWorkPods, {holder.ns, holder.incarnation, holder.incarnation}},
                 {&kLockItem, {holder.ns, holder.key}},
                 {&statement, std::move(params)}},
       .afterwards = wake ? std::optional(pg::Step{&kWake, {holder.ns}}) : std::nullopt});
  if (!rows) return Fail(std::move(rows.error()));
  auto living = RequireLiving((*rows)[0], holder.incarnation);
  if (rows->back().empty()) {
    return Fail(living ? WorkNotFound(holder.key) : std::move(living.error()));
  }
  pg::Row row = rows->back()[0];
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
                                               const std::string& checkpoint) {
  auto held = ChangeHeld(kCheckpointWork, holder, {pg::Param::Bytes(checkpoint)}, /*wake=*/false);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  if (!held->changed) return Fail(WorkCompleted(item.key));
  return item;
}

Result<WorkItem> PostgresStore::CompleteWork(const WorkHolder& holder, const std::string& result) {
  auto held = ChangeHeld(kCompleteWork, holder, {pg::Param::Bytes(result)}, /*wake=*/true);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  return item;
}

Result<WorkItem> PostgresStore::ReleaseWork(const WorkHolder& holder) {
  auto held = ChangeHeld(kReleaseWork, holder, {}, /*wake=*/true);
  if (!held) return Fail(std::move(held.error()));
  const WorkItem& item = held->item;
  if (held->changed) return item;
  // A released item has no owner, so a repetition is known by the fence alone.
  if (item.state == WorkState::kReleased && item.fence == holder.fence) return item;
  if (!held->held) return Fail(Fenced(item.key, item.owner, item.fence));
  return Fail(WorkCompleted(item.key));
}

Result<WorkItem> PostgresStore::GetWork(const std::string& ns, const std::string& key) {
  auto rows = link_.Read(kGetWork, {ns, key});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->empty()) return Fail(WorkNotFound(key));
  pg::Row row = (*rows)[0];
  return WorkFrom(row);
}

Result<WorkPage> PostgresStore::ListWork(const std::string& ns, const WorkFilter& filter,
                                         const std::string& after, uint32_t limit) {
  auto rows = List(kListWork, {ns, filter.owner, filter.claimable_only, filter.include_completed,
                               after, int64_t{limit} + 1, kLargestAnswer});
  if (!rows) return Fail(std::move(rows.error()));
  WorkPage page;
  size_t bytes = 0;
  for (pg::Row row : *rows) {
    WorkItem item = WorkFrom(row);
    bytes += BytesOf(item);
    page.more = page.items.size() == limit || (!page.items.empty() && bytes > kLargestAnswer);
    if (page.more) break;
    page.items.push_back(std::move(item));
  }
  return page;
}

}  // namespace vigil
