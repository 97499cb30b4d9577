// What every measurement says in the same words: its figures as rows, and where it was made.
#pragma once

#include <optional>
#include <string>
#include <utility>

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

// A row for each rank of a summary, NAME_RANK, of which one may have a target.
void AddRanks(Json& rows, const std::string& name, const Summary& summary,
              const std::string& rank_with_target = "", std::optional<double> target = {});

// The rows of one round, each with its name behind that of the round: ROUND/NAME.
class Figures {
 public:
  explicit Figures(std::string round) : round_(std::move(round)) {}

  void Add(const std::string& name, double value, const char* unit,
           std::optional<double> target = {});
  // Ours, that of the raw server beside it, and how many of those ours is.
  void Compare(const std::string& name, double vigil, double raw, const char* unit,
               std::optional<double> target);

  Json Take() { return std::move(rows_); }

 private:
  const std::string round_;
  Json rows_ = Json::array();
};

// For people: a line a row.
std::string RowsTable(const Json& rows);

// The version and the settings that a commit depends on. An error when fsync is off: a commit would
// cost nothing.
Result<Json> DescribePostgres(const pg::PrivateCluster& cluster);

// The report with where it was measured: `postgres` as described, `vigil` and `machine`.
Json WithPlace(Json report, Json postgres);

}  // namespace vigil::bench
