#include "process_cost.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "measuring.h"
#include "support/process.h"

namespace vigil::bench {

Result<int64_t> MemoryOf(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", process));
  for (std::string word; file >> word;) {
    if (word != "Pss:") continue;
    int64_t kibibytes = 0;
    file >> kibibytes;
    return kibibytes * 1024;
  }
  return Fail(Unmeasurable(fmt::format("the memory of process {} cannot be read", process)));
}

Result<int64_t> BytesSentFrom(int port) {
  auto ss = Process::Spawn(
      {.command = {"ss", "-tinH", "state", "established", "sport", "=", fmt::format(":{}", port)}});
  if (!ss) return Fail(ss.error());
  if ((*ss)->AwaitEnd(kStartLimit) != 0) return Fail(Unmeasurable((*ss)->Transcript()));
  constexpr std::string_view kWords = " bytes_sent:";
  int64_t bytes = 0;
  for (const auto& line : (*ss)->Lines()) {
    const size_t found = line.text.find(kWords);
    if (found != std::string::npos) bytes += std::atoll(&line.text[found + kWords.size()]);
  }
  return bytes;
}

}  // namespace vigil::bench
