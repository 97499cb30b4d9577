#include "pg/pooler.h"

#include <fmt/format.h>

#include <random>
#include <string>

#include "pg/connection.h"

namespace vigil::pg {
namespace {

// Keys of our own, "VT" and a random number: self-tests that run at once do not meet.
constexpr int64_t kKeys = int64_t{0x5654} << 48;

constexpr Statement kMark{"mark_session",
                          "SELECT pg_backend_pid(), set_config('vigil.self_test', $1, false),"
                          "       pg_try_advisory_lock($2)",
                          /*once=*/true};

constexpr Statement kLook{"look_at_session",
                          "SELECT pg_backend_pid(),"
                          "       coalesce(current_setting('vigil.self_test', true), ''),"
                          "       pg_try_advisory_lock($1)",
                          /*once=*/true};

// What a connection sees of the session behind it.
struct Seen {
  int64_t backend = 0;
  std::string mark;
  bool got_lock = false;
};

Result<Seen> Ask(Connection& connection, const Statement& statement, Params params,
                 Instant deadline) {
  auto rows =
      connection.Execute({.steps = {{&statement, std::move(params)}}, .changes = false}, deadline);
  if (!rows) return Fail(std::move(rows.error().error));
  Row row = rows->front()[0];
  Seen seen;
  seen.backend = row.Bigint();
  seen.mark = row.Text();
  seen.got_lock = row.Bool();
  return seen;
}

Error Pooler(std::string_view symptom) {
  return {Code::kFailedPrecondition,
          kDatabaseUnavailable,
          fmt::format("a pooler stands between this process and Postgres: {}", symptom),
          "Put the address of Postgres itself into the connection string, not the pooler's: locks, "
          "settings and notifications belong to a session, and only its own end may end it.",
          {}};
}

Result<void> Test(Connection& first, const ConnectOptions& options, Instant deadline) {
  std::random_device random;
  const std::string mark = fmt::format("{:08x}{:08x}", random(), random());
  const int64_t key = kKeys + random();
  const auto marked = Ask(first, kMark, {mark, key}, deadline);
  if (!marked) return Fail(marked.error());

  auto second = Connection::Open(options, deadline);
  if (!second) return Fail(std::move(second.error().error));
  // Its transaction stays open, so that a pooler needs another session for whatever comes next.
  if (auto begun = (*second)->ExecuteScript("BEGIN", deadline); !begun) {
    return Fail(std::move(begun.error().error));
  }
  const auto other = Ask(**second, kLook, {key}, deadline);
  if (!other) return Fail(other.error());
  if (other->got_lock || other->mark == mark || other->backend == marked->backend) {
    return Fail(
        Pooler("two connections share one session, with its locks and settings "
               "(transaction pooling)"));
  }
  const auto again = Ask(first, kLook, {key}, deadline);
  if (!again) return Fail(again.error());
  if (again->backend != marked->backend || again->mark != mark) {
    return Fail(
        Pooler("two transactions of one connection ran in two sessions, and what was set "
               "in the first is gone (transaction pooling)"));
  }
  return {};
}

}  // namespace

Result<void> RefusePooler(const ConnectOptions& options, Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  ConnectOptions own = options;
  own.refuses_poolers = false;
  auto first = Connection::Open(own, until);
  if (!first) return Fail(std::move(first.error().error));
  const bool direct = (*first)->facts().backend == (*first)->backend();
  auto tested = Test(**first, own, until);
  if (direct || (!tested && tested.error().code == Code::kFailedPrecondition)) return tested;
  return Fail(
      Pooler("the backend is not the one that the connection was begun with "
             "(session pooling)"));
}

}  // namespace vigil::pg
