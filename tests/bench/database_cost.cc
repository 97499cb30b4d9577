#include "database_cost.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "measuring.h"
#include "measuring_clocks.h"
#include "process_cost.h"

namespace vigil::bench {
namespace {

// What the children that were waited for have used.
Result<Duration> TimeOfTheEnded(pid_t postmaster) {
  std::ifstream file(fmt::format("/proc/{}/stat", postmaster));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  // The fields after the name, which may hold anything: 3 is the first, 16 and 17 are these.
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string skipped;
  for (int field = 3; field < 16; ++field) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  if (fields >> user >> system) {
    return std::chrono::nanoseconds(std::chrono::seconds(user + system)) / sysconf(_SC_CLK_TCK);
  }
  return Fail(Unmeasurable("Postgres has ended"));
}

}  // namespace

Result<Duration> DatabaseTimeOf(pid_t postmaster) {
  auto total = ProcessorTimeOf(postmaster);
  if (!total) return total;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", postmaster));
  for (pid_t child = 0; children >> child;) {
    // One that has ended meanwhile is among those that were waited for.
    if (const auto time = ProcessorTimeOf(child)) *total += *time;
  }
  const auto ended = TimeOfTheEnded(postmaster);
  if (!ended) return Fail(ended.error());
  return *total + *ended;
}

Result<int64_t> DatabaseMemoryOf(pid_t postmaster) {
  auto total = MemoryOf(postmaster);
  if (!total) return total;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", postmaster));
  // One that has ended meanwhile has none.
  for (pid_t child = 0; children >> child;) *total += MemoryOf(child).value_or(0);
  return total;
}

}  // namespace vigil::bench
