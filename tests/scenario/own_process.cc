#include "own_process.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "support/process.h"

namespace vigil {

Result<std::unique_ptr<ReportingProcess>> RunSelf(std::string_view mode, const Json& script,
                                                  const Machine& machine) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return ReportingProcess::Spawn(
      On(machine, {.command = {self.string(), std::string(mode), script.dump()}}));
}

std::optional<Json> ScriptFor(std::string_view mode, int argc, char** argv) {
  if (argc != 3 || argv[1] != mode) return std::nullopt;
  return Json::parse(argv[2]);
}

// One write a line, so that threads do not tear each other's.
void Say(std::string_view event, Json fields) {
  fields["event"] = event;
  fields["at_ns"] = Now().time_since_epoch().count();
  const std::string line = fields.dump() + "\n";
  [[maybe_unused]] const ssize_t size = write(STDOUT_FILENO, line.data(), line.size());
}

int SayFailed(const client::Error& error) {
  Say("failed", {{"message", client::Describe(error)}});
  return 1;
}

}  // namespace vigil
