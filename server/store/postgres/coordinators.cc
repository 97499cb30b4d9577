// The rows of coordinators.
#include <utility>

#include "core/errors.h"
#include "store/postgres/lock_keys.h"
#include "store/postgres/observer.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

constexpr pg::Statement kAddCoordinator{
    "add_coordinator",
    "INSERT INTO vigil.coordinators (coordinator, address, trust_window, schema_level, version)"
    " VALUES ($1, $2, $3, $4::bigint, $5) ON CONFLICT DO NOTHING"};

// Locks the coordinator's row alone.
constexpr pg::Statement kRenewCoordinator{
    "renew_coordinator",
    "UPDATE vigil.coordinators SET renewed_at = clock_timestamp()"
    " WHERE coordinator = $1 AND state = 'ALIVE' RETURNING coordinator"};

constexpr pg::Statement kForgetTaken{
    "forget_taken",
    "DELETE FROM vigil.taken_sessions WHERE coordinator = $1 AND session = ANY ($2)"};

constexpr pg::Statement kReadTaken{
    "read_taken",
    "SELECT session FROM vigil.taken_sessions WHERE coordinator = $1 ORDER BY session"};

constexpr pg::Statement kRemoveCoordinator{
    "remove_coordinator",
    "UPDATE vigil.coordinators SET state = 'LEFT', ended_at = clock_timestamp()"
    " WHERE coordinator = $1 AND state = 'ALIVE'"};

constexpr pg::Statement kForgetAllTaken{"forget_all_taken",
                                        "DELETE FROM vigil.taken_sessions WHERE coordinator = $1"};

// Locks rows of coordinators, by number.
constexpr pg::Statement kLockCoordinators{
    "lock_coordinators",
    "SELECT coordinator FROM vigil.coordinators WHERE coordinator = ANY ($1)"
    " ORDER BY coordinator FOR UPDATE"};

// Tries the key of each; a free one stays ours until the commit.
constexpr pg::Statement kGiveUpCoordinators{
    "give_up_coordinators",
    "WITH " VIGIL_SERVER VIGIL_OBSERVER("$1", "$2", "$3", "$6", "true")
    "candidates AS MATERIALIZED ("
    "  SELECT c.coordinator FROM vigil.coordinators AS c, observer"
    "   WHERE observer.sound AND c.coordinator = ANY ($4) AND c.coordinator <> $1"
    "     AND c.state = 'ALIVE'),"
    " free AS MATERIALIZED ("
    "  SELECT coordinator FROM candidates WHERE pg_try_advisory_xact_lock_shared($5 + coordinator)),"
    " given_up AS ("
    "  UPDATE vigil.coordinators AS c SET state = 'DEAD', ended_at = clock_timestamp()"
    "    FROM free WHERE c.coordinator = free.coordinator"
    "  RETURNING c.coordinator),"
    " forgotten AS ("
    "  DELETE FROM vigil.taken_sessions AS taken USING given_up"
    "   WHERE taken.coordinator = given_up.coordinator) "
    "SELECT observer.sound, given_up.coordinator"
    "  FROM observer LEFT JOIN given_up ON true ORDER BY given_up.coordinator"};

}  // namespace

Result<void> PostgresStore::AddCoordinator(CoordinatorNumber coordinator,
                                           const std::string& address, Duration trust_window) {
  auto rows =
      Change({{&kAddCoordinator,
               {coordinator, address, trust_window, PostgresSchema().Level(), VIGIL_VERSION}}});
  if (!rows) return Fail(std::move(rows.error()));
  return {};
}

Result<Renewal> PostgresStore::RenewCoordinator(CoordinatorNumber coordinator,
                                                const std::vector<SessionNumber>& handled) {
  pg::Batch batch{.steps = {{&kRenewCoordinator, {coordinator}}}};
  if (!handled.empty()) batch.steps.push_back({&kForgetTaken, {coordinator, Numbers(handled)}});
  batch.steps.push_back({&kReadTaken, {coordinator}});
  auto rows = link_.Execute(batch);
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->front().empty()) {
    return Fail(CoordinatorUntrusted("the coordinator's row is not ALIVE: it was given up"));
  }
  Renewal renewal;
  for (pg::Row row : rows->back()) renewal.taken.push_back(row.As<SessionNumber>());
  return renewal;
}

Result<void> PostgresStore::RemoveCoordinator(CoordinatorNumber coordinator) {
  auto rows = Change({{&kRemoveCoordinator, {coordinator}}, {&kForgetAllTaken, {coordinator}}});
  if (!rows) return Fail(std::move(rows.error()));
  return {};
}

Result<std::vector<CoordinatorNumber>> PostgresStore::GiveUpCoordinators(
    const Observer& observer, const std::vector<CoordinatorNumber>& coordinators) {
  const std::vector<int64_t> numbers = Numbers(coordinators);
  auto rows = Change({{&kLockCoordinators, {numbers}},
                      {&kGiveUpCoordinators,
                       {observer.number, observer.backend, ObserverKey(observer), numbers,
                        kCoordinatorKeys, observer.identity}}});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<CoordinatorNumber> given_up;
  for (pg::Row row : *rows) {
    if (!row.Bool()) return Fail(UnsoundObserver());
    if (!row.IsNull()) given_up.push_back(row.As<CoordinatorNumber>());
  }
  return given_up;
}

}  // namespace vigil
