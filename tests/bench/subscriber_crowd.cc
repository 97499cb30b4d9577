#include "subscriber_crowd.h"

#include <fmt/format.h>

#include <csignal>
#include <sstream>

#include "hexadecimal.h"
#include "measuring.h"

namespace vigil::bench {
namespace {

// Thousands of connections on a machine that does other things, too.
constexpr Duration kJoinLimit = std::chrono::seconds(120);

}  // namespace

Result<std::unique_ptr<SubscriberCrowd>> SubscriberCrowd::Join(const std::string& address,
                                                               const std::string& ns, int count,
                                                               Manner manner) {
  auto program = FindBuilt("vigil_bench_subscribers");
  if (!program) return Fail(program.error());
  auto process = Process::Spawn({.command = {*program, address, ns, std::to_string(count),
                                             manner == Manner::kReading ? "reading" : "stalled"}});
  if (!process) return Fail(process.error());
  std::unique_ptr<SubscriberCrowd> crowd(new SubscriberCrowd(std::move(*process)));
  auto joined = AwaitWords(*crowd->process_, "joined", kJoinLimit);
  if (!joined) return Fail(joined.error());
  return crowd;
}

Result<Reception> SubscriberCrowd::AwaitEvents() {
  auto line = AwaitWords(*process_, fmt::format("event {} ", ++events_));
  if (!line) return Fail(line.error());
  std::istringstream words(*line);
  std::string digits;
  Duration::rep first = 0;
  words >> digits >> first;
  Reception reception{.message = FromHexadecimal(digits), .at = {}};
  for (Duration::rep delay = 0; words >> delay;) {
    reception.at.push_back(Instant(Duration(first + delay)));
  }
  return reception;
}

Result<std::string> SubscriberCrowd::ReadToTheEnd() {
  process_->Signal(SIGUSR1);
  auto line = AwaitWords(*process_, "ended ");
  if (!line) return Fail(line.error());
  return FromHexadecimal(line->substr(line->rfind(' ') + 1));
}

Result<void> SubscriberCrowd::LeaveInPeace(Duration peace) {
  return bench::LeaveInPeace(*process_, peace);
}

}  // namespace vigil::bench
