// How the event log is read.
#include <utility>

#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kReadBounds{
    "read_bounds",
    "SELECT coalesce(log.oldest - 1, 0), coalesce(before.mark, 0),"
    "       coalesce(log.head, 0), coalesce(last.mark, 0)"
    "  FROM unnest($1::text[]) WITH ORDINALITY AS asked(name, position)"
    "  LEFT JOIN vigil.namespaces AS log USING (name)"
    "  LEFT JOIN vigil.events AS before ON before.namespace = name AND before.seq = log.oldest - 1"
    "  LEFT JOIN vigil.events AS last ON last.namespace = name AND last.seq = log.head"
    " ORDER BY position"};

// The numbers are contiguous, so the transaction that holds the last event of a page is found by
// its number.
constexpr pg::Statement kReadEvents{
    "read_events",
    "SELECT log.expired, log.oldest, log.head, " VIGIL_EVENT_COLUMNS
    "  FROM (SELECT $2 < coalesce(max(oldest), 1) - 1"
    "               OR $2 > 0 AND NOT EXISTS (SELECT FROM vigil.events"
    "                                          WHERE namespace = $1 AND seq = $2 AND mark = $3)"
    "                 AS expired,"
    "               coalesce(max(oldest), 1) AS oldest,"
    "               coalesce(max(head), 0) AS head"
    "          FROM vigil.namespaces WHERE name = $1) AS log"
    "  LEFT JOIN vigil.events AS e"
    "    ON NOT log.expired AND e.namespace = $1 AND e.seq > $2"
    "   AND e.seq <= coalesce((SELECT last.transaction_end FROM vigil.events AS last"
    "                           WHERE last.namespace = $1 AND last.seq = least($2, log.head) + "
    "$4), log.head)"
    " ORDER BY e.seq"};

}  // namespace

Result<std::vector<LogBounds>> PostgresStore::ReadBounds(
    const std::vector<std::string>& namespaces) {
  auto rows = link_.Read(kReadBounds, {namespaces});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<LogBounds> bounds;
  for (pg::Row row : *rows) {
    const Position start = PositionFrom(row);
    bounds.push_back({start, PositionFrom(row)});
  }
  return bounds;
}

Result<EventPage> PostgresStore::ReadEvents(const std::string& ns, Position after, uint32_t limit) {
  auto rows = link_.Read(kReadEvents, {ns, after.seq, after.mark, std::max(limit, 1U)});
  if (!rows) return Fail(std::move(rows.error()));
  EventPage page;
  for (pg::Row row : *rows) {
    page.expired = row.Bool();
    page.oldest = row.As<Seq>();
    page.head = row.As<Seq>();
    if (!row.IsNull()) page.events.push_back(EventFrom(row));
  }
  return page;
}

}  // namespace vigil
