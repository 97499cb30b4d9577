// What every measurement says in the same words: its figures as rows, and where it was made.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "pg/private_cluster.h"
#include "statistics.h"

namespace vigil::bench {

// One figure: {name, value, unit, target, met}, the last two null for one that has no target. It is
// met when the value is not above it.
Json Row(std::string name, double value, std::string unit, std::optional<double> target = {});

// The same for one that is met when the value is not below its target.
Json RowAtLeast(std::string name, double value, std::string unit,
                std::optional<double> target = {});

// For people: a line a row.
std::string RowsTable(const Json& rows);

// The version and the settings that a commit depends on. An error when fsync is off: a commit would
// cost nothing.
Result<Json> DescribePostgres(const pg::PrivateCluster& cluster);

Json DescribeMachine();

}  // namespace vigil::bench
