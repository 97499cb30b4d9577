// What `vigild` can be told to do. Each returns the exit code of the process: 0 when all went well,
// 1 when not.
#pragma once

#include <string>

#include "app/config.h"

namespace vigil {

// Serves until SIGTERM or SIGINT, then drains.
int Serve(const Config& config);

// The same on a private throw-away Postgres of its own, which goes when the process does.
int ServeDevelopment(Config config);

// With a role: gives it afterwards what `serve` needs, and no more.
int MigrateUp(const Config& config, const std::string& grant_to);
int ShowMigrations(const Config& config);

}  // namespace vigil
