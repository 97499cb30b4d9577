#include "contender.h"

#include <csignal>
#include <sstream>

#include "measuring.h"

namespace vigil::bench {

Result<Takeover> KillAndAwaitClaim(Process& victim, Process& survivor, const std::string& item,
                                   Duration peace, Duration within) {
  if (auto lived = LeaveInPeace(victim, peace); !lived) return Fail(lived.error());
  const Instant killed = Now();
  victim.Signal(SIGKILL);
  const auto line = AwaitWords(survivor, "claimed " + item + " ", within);
  if (!line) return Fail(line.error());
  Duration::rep noticed = 0;
  Duration::rep claimed = 0;
  std::istringstream(*line) >> noticed >> claimed;
  return Takeover{.noticed = Instant(Duration(noticed)) - killed,
                  .claimed = Instant(Duration(claimed)) - killed};
}

}  // namespace vigil::bench
