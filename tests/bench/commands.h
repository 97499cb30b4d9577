// What the command line knows of a bench: its subcommand, what it measures, and the table of that.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct Bench {
  CLI::App* command = nullptr;
  std::function<Result<Json>()> measure;
  // For people, of what was measured.
  std::function<std::string(const Json&)> table;
};

// Each adds its subcommand with its flags to the program's.
Bench AddDeath(CLI::App& app);
Bench AddFanout(CLI::App& app);
Bench AddMass(CLI::App& app);
Bench AddPeers(CLI::App& app);
Bench AddScale(CLI::App& app);
Bench AddWork(CLI::App& app);

// The flag that every bench with a coordinator has.
void AddLogLevel(CLI::App& command, std::string& log_level);

}  // namespace vigil::bench
