// How work items begin, and how they are looked at.
#include <utility>

#include "core/errors.h"
#include "core/validate.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/work_locks.h"
#include "store/postgres/work_parts.h"

namespace vigil {
namespace {

constexpr int kRaces = 5;

// An item that another transaction inserts at this moment is waited for, and then makes this one
// insert and return nothing: the caller looks again.
constexpr pg::Statement kStartWork{
    "start_work",
    "WITH " VIGIL_LIVING("starter", "$3")
    ", before AS MATERIALIZED ("
    "  SELECT * FROM vigil.work_items WHERE namespace = $1 AND key = $2),"
    " started AS ("
    "  INSERT INTO vigil.work_items (namespace, key, owner, fence, payload, kind, labels, policy,"
    "         selector, sticky_wait, max_adoptions, owned_at, requests)"
    "  SELECT $1, $2, incarnation, " VIGIL_NEXT_FENCE("fence_floor") ", $4, $5, $6::jsonb, $7,"
    "         $8::jsonb, $9, $10, clock_timestamp(), array_remove(ARRAY[$11], '')"
    "    FROM starter, vigil.namespaces AS space"
    "   WHERE space.name = $1 AND NOT EXISTS (SELECT FROM before)"
    "  ON CONFLICT DO NOTHING RETURNING *),"
    " taken AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'OWNED', owner = starter.incarnation,"
    "         fence = " VIGIL_NEXT_FENCE("item.fence") ", owned_at = clock_timestamp(),"
    "         checkpoint_number = 0, checkpointed = false,"
    "         updated_at = clock_timestamp(), requests = " VIGIL_REMEMBER("$11")
    "    FROM starter"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state = 'RELEASED'"
    "     AND NOT " VIGIL_IS_REPEATED("$11")
    "  RETURNING item.*),"
    // So that this request, when it comes once more and late, does not take what was released.
    " kept AS ("
    "  UPDATE vigil.work_items AS item SET requests = " VIGIL_REMEMBER("$11")
    "    FROM starter"
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.state = 'OWNED'"
    "     AND item.owner = starter.incarnation AND $11 <> ''"
    "     AND NOT " VIGIL_IS_REPEATED("$11") "),"
    " news AS ("
    "  SELECT 'WORK_CLAIMED' AS kind, starter.name AS pod_name, starter.incarnation,"
    "         'NONE' AS cause, 0 AS orphans, taken.key AS work_key, taken.fence,"
    "         0 AS previous_owner, 1 AS position, starter.labels AS pod_labels,"
    "         " VIGIL_NOT_DETECTED " AS detected_at"
    "    FROM taken, starter)," VIGIL_APPEND_NEWS
    "SELECT EXISTS (SELECT FROM taken), " VIGIL_WORK_COLUMNS
    "  FROM (SELECT * FROM started UNION ALL SELECT * FROM taken"
    "        UNION ALL SELECT * FROM before WHERE NOT EXISTS (SELECT FROM taken)) AS w"
    VIGIL_OWNER("o", "w")};

constexpr pg::Statement kGetWork{
    "get_work", "SELECT " VIGIL_WORK_COLUMNS "  FROM vigil.work_items AS w" VIGIL_OWNER(
                    "o", "w") " WHERE w.namespace = $1 AND w.key = $2"};

// Returns up to one item more than the page may have, by its count and by its bytes.
constexpr pg::Statement kListWork{
    "list_work",
    "SELECT w.bytes, " VIGIL_WORK_COLUMNS
    "  FROM (SELECT found.*, row_number() OVER by_key AS place,"
    "               sum(bytes) OVER by_key - bytes AS bytes_before"
    "          FROM (SELECT item.*, " VIGIL_WORK_BYTES
    " AS bytes"
    "                  FROM vigil.work_items AS item"
    VIGIL_OWNER("owner", "item")
    "                 WHERE item.namespace = $1 AND item.key > $5 AND ($2 = 0 OR item.owner = $2)"
    "                   AND (NOT $3 OR item.state = 'RELEASED'"
    "                        OR item.state = 'OWNED' AND owner.state IN ('DEAD', 'LEFT'))"
    "                   AND ($4 OR item.state <> 'COMPLETED')"
    "                   AND (NOT $8 OR item.state = 'QUARANTINED')"
    "                   AND (cardinality($9::text[]) = 0 OR item.kind = ANY ($9))"
    "                   AND item.labels @> $10::jsonb"
    "                 ORDER BY item.key LIMIT $6) AS found"
    "        WINDOW by_key AS (ORDER BY key)) AS w"
    VIGIL_OWNER("o", "w")
    " WHERE w.bytes_before <= $7 OR w.place = 2"
    " ORDER BY w.key"};

StartOutcome OutcomeOf(const WorkItem& item, Incarnation starter) {
  switch (item.state) {
    case WorkState::kCompleted:
      return StartOutcome::kCompleted;
    case WorkState::kReleased:
      return StartOutcome::kReleased;
    case WorkState::kQuarantined:
      return StartOutcome::kQuarantined;
    case WorkState::kOwned:
      break;
  }
  if (item.owner == starter) return StartOutcome::kStarted;
  return item.orphan ? StartOutcome::kOrphaned : StartOutcome::kOwned;
}

}  // namespace

Result<StartedWork> PostgresStore::StartWork(const NewWork& work) {
  const WorkTraits& traits = work.traits;
  for (int race = 0; race < kRaces; ++race) {
    auto rows = link_.Execute(
        {.steps = {{&kLockCaller, {work.ns, work.starter}},
                   {&kLockItem, {work.ns, work.key}},
                   {&kStartWork,
                    {work.ns, work.key, work.starter, pg::Param::Bytes(work.payload), traits.kind,
                     JsonFrom(traits.labels), Name(traits.policy), JsonFrom(traits.selector),
                     traits.sticky_wait, traits.max_adoptions, work.request_id}}}});
    if (!rows) return Fail(std::move(rows.error()));
    if (auto living = RequireLiving((*rows)[0], work.starter); !living) {
      return Fail(std::move(living.error()));
    }
    if (rows->back().empty()) continue;
    pg::Row row = rows->back()[0];
    // Most starts make no event, so the wake-up is not part of every one of them.
    if (row.Bool()) Wake(work.ns);
    StartedWork started{.item = WorkFrom(row)};
    started.outcome = OutcomeOf(started.item, work.starter);
    return started;
  }
  return Fail(DatabaseUnavailable("too many starts of this item raced"));
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
                               after, int64_t{limit} + 1, kLargestAnswer, filter.quarantined_only,
                               filter.choice.kinds, JsonFrom(filter.choice.labels)});
  if (!rows) return Fail(std::move(rows.error()));
  WorkPage page;
  size_t bytes = 0;
  for (pg::Row row : *rows) {
    bytes += static_cast<size_t>(row.Bigint());
    WorkItem item = WorkFrom(row);
    page.more = page.items.size() == limit || (!page.items.empty() && bytes > kLargestAnswer);
    if (page.more) break;
    page.items.push_back(std::move(item));
  }
  return page;
}

}  // namespace vigil
