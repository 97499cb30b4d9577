#include "store/postgres/postgres_store.h"

#include <utility>

#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kPlanForParameters{
    "plan_for_parameters", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"};

}  // namespace

PostgresStore::PostgresStore(pg::ConnectOptions options, Duration deadline)
    : link_(std::move(options), deadline) {}

void PostgresStore::Connect() { (void)link_.Connect(); }

Result<pg::Rows> PostgresStore::List(const pg::Statement& statement, pg::Params params) {
  auto rows = link_.Execute(
      {.steps = {{&kPlanForParameters, {}}, {&statement, std::move(params)}}, .changes = false});
  if (!rows) return Fail(std::move(rows.error()));
  return std::move(rows->back());
}

Result<pg::Rows> PostgresStore::Change(std::vector<pg::Step> steps) {
  auto rows = link_.Execute({.steps = std::move(steps)});
  if (!rows) return Fail(std::move(rows.error()));
  return std::move(rows->back());
}

Result<std::vector<pg::Rows>> PostgresStore::ChangeAndWake(const std::string& ns,
                                                           std::vector<pg::Step> steps) {
  return link_.Execute({.steps = std::move(steps), .afterwards = pg::Step{&kWake, {ns}}});
}

void PostgresStore::Wake(const std::string& ns) {
  // The events are committed; a wake-up may be lost.
  (void)link_.Execute({.steps = {}, .changes = false, .afterwards = pg::Step{&kWake, {ns}}});
}

}  // namespace vigil
