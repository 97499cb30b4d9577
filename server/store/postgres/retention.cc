// How what is old leaves.
//
// Of the locks only that of a head row is waited for: ended pods and completed items that somebody
// else has locked are left for the next round, and events that are out of the log are nobody's.
#include <utility>

#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

// The event right before the oldest one stays, for its mark.
constexpr pg::Statement kPruneEvents{
    "prune_events",
    "WITH gone AS MATERIALIZED ("
    "  SELECT (SELECT min(seq) FROM vigil.events WHERE namespace = $1) AS first, oldest - 2 AS last"
    "    FROM vigil.namespaces WHERE name = $1),"
    " pruned AS ("
    "  DELETE FROM vigil.events AS e USING gone"
    "   WHERE e.namespace = $1 AND e.seq >= gone.first"
    "     AND e.seq <= least(gone.last, gone.first + $2 - 1)"
    "  RETURNING e.seq) "
    "SELECT count(*) FROM pruned"};

// An ended incarnation gets no items any more, so one that has none stays without.
constexpr pg::Statement kPrunePods{
    "prune_pods",
    "WITH old AS MATERIALIZED ("
    "  SELECT incarnation FROM vigil.pods AS pod"
    "   WHERE namespace = $1 AND state IN ('DEAD', 'LEFT') AND ended_at < now() - $2"
    "     AND NOT EXISTS (SELECT FROM vigil.work_items AS item WHERE item.owner = pod.incarnation)"
    "   ORDER BY ended_at LIMIT $3 FOR UPDATE SKIP LOCKED),"
    " pruned AS ("
    "  DELETE FROM vigil.pods AS pod USING old WHERE pod.incarnation = old.incarnation"
    "  RETURNING pod.incarnation) "
    "SELECT count(*) FROM pruned"};

constexpr pg::Statement kNoteNoOrphans{"note_no_orphans",
                                       "WITH " VIGIL_NOTE_NO_ORPHANS("ALL") " SELECT"};

// Takes items away, and then locks the head row, with all that is to be written there known: the
// new oldest event is the first of the first transaction, of the next $4 events or a few more, that
// is not out of the log, by number ($3 stay) or by age. Age counts in the order of the log, so that
// what a wall clock that was ahead has stamped is late, and nothing behind it is early.
constexpr pg::Statement kPruneItemsAndAdvance{
    "prune_items_and_advance",
    "WITH old AS MATERIALIZED ("
    "  SELECT key FROM vigil.work_items"
    "   WHERE namespace = $1 AND state = 'COMPLETED' AND updated_at < now() - $2"
    "   ORDER BY updated_at LIMIT $4 FOR UPDATE SKIP LOCKED),"
    " pruned AS ("
    "  DELETE FROM vigil.work_items AS item USING old"
    "   WHERE item.namespace = $1 AND item.key = old.key"
    "  RETURNING item.fence),"
    " log AS MATERIALIZED (SELECT oldest, head FROM vigil.namespaces WHERE name = $1),"
    " next AS MATERIALIZED ("
    "  SELECT e.seq, e.transaction_end, e.occurred_at"
    "    FROM log, vigil.events AS e"
    "   WHERE e.namespace = $1 AND e.seq >= log.oldest"
    "     AND e.seq <= (SELECT last.transaction_end FROM vigil.events AS last"
    "                    WHERE last.namespace = $1"
    "                      AND last.seq = least(log.oldest + $4 - 1, log.head))),"
    " news AS MATERIALIZED ("
    "  SELECT (SELECT 1 + max(next.transaction_end)"
    "            FROM next, log,"
    "                 (SELECT min(seq) AS seq FROM next WHERE occurred_at >= now() - $2) AS young"
    "           WHERE next.seq <= log.head - $3"
    "              OR young.seq IS NULL OR next.transaction_end < young.seq) AS oldest,"
    "         (SELECT max(fence) FROM pruned) AS fence),"
    " advanced AS ("
    "  UPDATE vigil.namespaces AS space"
    "     SET oldest = greatest(space.oldest, news.oldest),"
    "         fence_floor = greatest(space.fence_floor, news.fence)"
    "    FROM news"
    "   WHERE space.name = $1"
    "     AND (space.oldest < news.oldest OR space.fence_floor < news.fence)"
    "  RETURNING space.oldest) "
    "SELECT (SELECT count(*) FROM pruned),"
    "       EXISTS (SELECT FROM advanced, log WHERE advanced.oldest > log.oldest)"};

// The trust window of one that a living pod was hosted by is part of that pod's grace.   (P7)
constexpr pg::Statement kPruneCoordinators{
    "prune_coordinators",
    "WITH old AS MATERIALIZED ("
    "  SELECT coordinator FROM vigil.coordinators AS c"
    "   WHERE state <> 'ALIVE' AND ended_at < now() - $1"
    "     AND NOT EXISTS (SELECT FROM vigil.pods AS pod"
    "                      WHERE pod.coordinator = c.coordinator"
    "                        AND pod.state IN ('ALIVE', 'SUSPECT'))"
    "   ORDER BY coordinator LIMIT $2 FOR UPDATE SKIP LOCKED),"
    " forgotten AS ("
    "  DELETE FROM vigil.taken_sessions AS taken USING old"
    "   WHERE taken.coordinator = old.coordinator),"
    " pruned AS ("
    "  DELETE FROM vigil.coordinators AS c USING old WHERE c.coordinator = old.coordinator"
    "  RETURNING c.coordinator) "
    "SELECT count(*) FROM pruned"};

constexpr pg::Statement kListNamespaces{
    "list_namespaces", "SELECT name FROM vigil.namespaces WHERE name > $1 ORDER BY name LIMIT $2"};

uint64_t CountFrom(pg::Row& row) { return static_cast<uint64_t>(row.Bigint()); }

}  // namespace

Result<Pruned> PostgresStore::Prune(const std::string& ns, const Retention& retention,
                                    uint32_t batch) {
  auto rows = link_.Execute(
      {.steps = {{&kPruneEvents, {ns, batch}},
                 {&kPrunePods, {ns, retention.age, batch}},
                 {&kNoteNoOrphans, {ns}},
                 {&kPruneItemsAndAdvance, {ns, retention.age, retention.events, batch}}}});
  if (!rows) return Fail(std::move(rows.error()));
  pg::Row events = (*rows)[0][0];
  pg::Row pods = (*rows)[1][0];
  pg::Row items = rows->back()[0];
  Pruned pruned{.events = CountFrom(events), .pods = CountFrom(pods), .items = CountFrom(items)};
  const bool advanced = items.Bool();
  pruned.more = advanced || std::max({pruned.events, pruned.pods, pruned.items}) >= batch;
  return pruned;
}

Result<uint64_t> PostgresStore::PruneCoordinators(Duration age, uint32_t batch) {
  auto rows = Change({{&kPruneCoordinators, {age, batch}}});
  if (!rows) return Fail(std::move(rows.error()));
  pg::Row row = (*rows)[0];
  return CountFrom(row);
}

Result<std::vector<std::string>> PostgresStore::ListNamespaces(const std::string& after,
                                                               uint32_t limit) {
  auto rows = link_.Read(kListNamespaces, {after, limit});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<std::string> namespaces;
  for (pg::Row row : *rows) namespaces.push_back(row.Text());
  return namespaces;
}

}  // namespace vigil
