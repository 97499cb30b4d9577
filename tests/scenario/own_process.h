// The test's own binary in another mode: a process of its own, that a scenario can kill.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "support/machine.h"
#include "support/reporting_process.h"
#include "vigil/error.h"

namespace vigil {

// Starts it with a script of that mode.
Result<std::unique_ptr<ReportingProcess>> RunSelf(std::string_view mode, const Json& script,
                                                  const Machine& machine = {});

// In main: the script, if this process was started in that mode.
std::optional<Json> ScriptFor(std::string_view mode, int argc, char** argv);

// In such a process: one line of its report.
void Say(std::string_view event, Json fields = Json::object());

// The same of what ends it, and the exit code.
int SayFailed(const client::Error& error);

}  // namespace vigil
