#include "store/postgres/postgres_store.h"

#include <utility>

namespace vigil {
namespace {

constexpr pg::Statement kReadHistory{"read_history", "SELECT number FROM vigil.history"};

}  // namespace

PostgresStore::PostgresStore(pg::ConnectOptions options, Duration deadline)
    : link_(std::move(options), deadline) {}

Result<History> PostgresStore::ReadHistory() {
  auto rows = link_.Read(kReadHistory, {});
  if (!rows) return Fail(std::move(rows.error()));
  return (*rows)[0].As<History>();
}

Result<pg::Rows> PostgresStore::Change(std::vector<pg::Step> steps) {
  auto rows = link_.Execute({.steps = std::move(steps)});
  if (!rows) return Fail(std::move(rows.error()));
  return std::move(rows->back());
}

Result<pg::Rows> PostgresStore::ChangeAndWake(std::vector<pg::Step> steps) {
  auto rows = link_.Execute({.steps = std::move(steps), .wake_channel = kLogChannel});
  if (!rows) return Fail(std::move(rows.error()));
  return std::move(rows->back());
}

void PostgresStore::Wake() {
  // The events are committed; a wake-up may be lost.
  (void)link_.Execute({.steps = {}, .changes = false, .wake_channel = kLogChannel});
}

}  // namespace vigil
