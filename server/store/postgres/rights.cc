#include "store/postgres/rights.h"

namespace vigil {

using Kind = pg::Right::Kind;

const pg::Rights& PostgresRights() {
  static const pg::Rights rights{
      .schema = "vigil",
      .grant_command = "vigild migrate up --grant-to",
      .rights = {{Kind::kTable, "schema_migrations", {"SELECT"}},
                 {Kind::kTable, "coordinators", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
                 {Kind::kTable, "pods", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
                 {Kind::kTable, "last_probe", {"SELECT", "UPDATE"}},
                 {Kind::kTable, "taken_sessions", {"SELECT", "INSERT", "DELETE"}},
                 {Kind::kTable, "work_items", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
                 {Kind::kTable, "events", {"SELECT", "INSERT", "DELETE"}},
                 {Kind::kTable, "namespaces", {"SELECT", "INSERT", "UPDATE"}},
                 {Kind::kSequence, "session_numbers", {"USAGE"}},
                 {Kind::kSequence, "coordinator_numbers", {"USAGE"}},
                 {Kind::kSequence, "incarnation_numbers", {"USAGE"}},
                 {Kind::kSequence, "suspicion_numbers", {"USAGE"}}}};
  return rights;
}

}  // namespace vigil
