#include "store/postgres/liveness_session.h"

#include <unordered_set>
#include <utility>

#include "core/errors.h"
#include "store/postgres/lock_keys.h"
#include "store/postgres/numbers.h"

namespace vigil {
namespace {

// A new number's key is free, unless somebody else uses our tag. OFFSET 0 keeps the number from
// being issued twice, once to be tried and once to be returned.
constexpr pg::Statement kIssueSession{
    "issue_session",
    "SELECT number FROM (SELECT " VIGIL_NEXT("session_numbers") " AS number OFFSET 0) AS issued"
    " WHERE pg_try_advisory_lock($1 + number)"};

constexpr pg::Statement kIssueCoordinator{
    "issue_coordinator",
    "SELECT number FROM (SELECT " VIGIL_NEXT("coordinator_numbers") " AS number OFFSET 0) AS issued"
    " WHERE pg_try_advisory_lock($1 + number)"};

constexpr pg::Statement kTakeLocks{
    "take_locks", "SELECT key FROM unnest($1::bigint[]) AS key WHERE pg_try_advisory_lock(key)"};

constexpr pg::Statement kReleaseLocks{
    "release_locks", "SELECT pg_advisory_unlock(key) FROM unnest($1::bigint[]) AS key"};

std::vector<int64_t> KeysOf(const std::vector<LockKey>& locks) {
  std::vector<int64_t> keys;
  keys.reserve(locks.size());
  for (const LockKey& lock : locks) keys.push_back(KeyOf(lock));
  return keys;
}

}  // namespace

PostgresLivenessSession::PostgresLivenessSession(std::unique_ptr<pg::AsyncConnection> connection)
    : connection_(std::move(connection)) {}

Backend PostgresLivenessSession::backend() const {
  return Backend{static_cast<uint64_t>(connection_->backend())};
}

void PostgresLivenessSession::IssueLock(LockKind kind, Then<uint64_t> then) {
  const bool session = kind == LockKind::kSession;
  connection_->Execute(
      session ? kIssueSession : kIssueCoordinator, {session ? kSessionKeys : kCoordinatorKeys},
      [then = std::move(then)](Result<pg::Rows> rows) {
        if (!rows) return then(Fail(std::move(rows.error())));
        if (rows->empty()) {
          return then(
              Fail(DatabaseUnavailable("the key of a new number is held by somebody else")));
        }
        then(static_cast<uint64_t>((*rows)[0].Bigint()));
      });
}

void PostgresLivenessSession::TakeLocks(std::vector<LockKey> keys,
                                        Then<std::vector<LockKey>> then) {
  pg::Params params{KeysOf(keys)};
  connection_->Execute(kTakeLocks, std::move(params),
                       [keys = std::move(keys), then = std::move(then)](Result<pg::Rows> rows) {
                         if (!rows) return then(Fail(std::move(rows.error())));
                         std::unordered_set<int64_t> got;
                         for (pg::Row row : *rows) got.insert(row.Bigint());
                         std::vector<LockKey> taken;
                         for (const LockKey& key : keys) {
                           if (got.contains(KeyOf(key))) taken.push_back(key);
                         }
                         then(std::move(taken));
                       });
}

void PostgresLivenessSession::ReleaseLocks(std::vector<LockKey> keys, Then<void> then) {
  connection_->Execute(kReleaseLocks, {KeysOf(keys)},
                       [then = std::move(then)](Result<pg::Rows> rows) {
                         if (!rows) return then(Fail(std::move(rows.error())));
                         then({});
                       });
}

// What holds a session's locks is its backend, and nobody else answers here: a pooler, which might,
// shows by a backend of another number, and then no session is opened through it
// (pg/connecting.cc). That statements are executed and commits acknowledged is what the renewal of
// the coordinator's own row proves, beside which a ping counts.
void PostgresLivenessSession::Ping(Then<void> then) { connection_->Ping(std::move(then)); }

void PostgresLivenessSession::OnLost(std::function<void(Error)> callback) {
  connection_->OnLost(std::move(callback));
}

}  // namespace vigil
