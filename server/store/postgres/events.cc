// How the event log is read.
#include <utility>

#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kReadBounds{
    "read_bounds",
    "SELECT coalesce(oldest, 1), coalesce(head, 0)"
    "  FROM unnest($1::text[]) WITH ORDINALITY AS asked(name, position)"
    "  LEFT JOIN vigil.namespaces USING (name)"
    " ORDER BY position"};

// The numbers are contiguous, so the transaction that holds the last event of a page is found by
// its number.
constexpr pg::Statement kReadEvents{
    "read_events",
    "SELECT log.oldest, log.head, " VIGIL_EVENT_COLUMNS
    "  FROM (SELECT coalesce(max(oldest), 1) AS oldest, coalesce(max(head), 0) AS head"
    "          FROM vigil.namespaces WHERE name = $1) AS log"
    "  LEFT JOIN vigil.events AS e"
    "    ON e.namespace = $1 AND e.seq > $2"
    "   AND e.seq <= coalesce((SELECT last.transaction_end FROM vigil.events AS last"
    "                           WHERE last.namespace = $1"
    "                             AND last.seq = greatest($2, log.oldest - 1) + $3), log.head)"
    " ORDER BY e.seq"};

LogBounds BoundsFrom(pg::Row& row) {
  const auto oldest = row.As<Seq>();
  return {oldest, row.As<Seq>()};
}

}  // namespace

Result<std::vector<LogBounds>> PostgresStore::ReadBounds(
    const std::vector<std::string>& namespaces) {
  auto rows = link_.Read(kReadBounds, {namespaces});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<LogBounds> bounds;
  for (pg::Row row : *rows) bounds.push_back(BoundsFrom(row));
  return bounds;
}

Result<EventPage> PostgresStore::ReadEvents(const std::string& ns, Seq after, uint32_t limit) {
  auto rows = link_.Read(kReadEvents, {ns, after, std::max(limit, 1U)});
  if (!rows) return Fail(std::move(rows.error()));
  EventPage page;
  for (pg::Row row : *rows) {
    page.bounds = BoundsFrom(row);
    if (!row.IsNull()) page.events.push_back(EventFrom(row));
  }
  return page;
}

}  // namespace vigil
