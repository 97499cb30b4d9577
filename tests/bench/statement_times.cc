#include "statement_times.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "query.h"

namespace vigil::bench {
namespace {

std::string LogOf(const pg::PrivateCluster& postgres) { return postgres.directory() + "/log"; }

// Above which statements are logged, in milliseconds; -1 for none.
Result<void> LogStatements(const pg::PrivateCluster& postgres, int above) {
  // Two scripts, since the first cannot run inside a transaction.
  return RunScript(postgres.Conninfo(),
                   fmt::format("ALTER SYSTEM SET log_min_duration_statement = {}", above))
      .and_then([&] { return RunScript(postgres.Conninfo(), "SELECT pg_reload_conf()"); });
}

}  // namespace

Result<std::unique_ptr<StatementTimes>> StatementTimes::Begin(const pg::PrivateCluster& postgres) {
  std::unique_ptr<StatementTimes> times(new StatementTimes(postgres));
  times->begin_ = std::ifstream(LogOf(postgres), std::ios::ate).tellg();
  if (auto logged = LogStatements(postgres, 0); !logged) return Fail(logged.error());
  return times;
}

StatementTimes::~StatementTimes() { static_cast<void>(LogStatements(postgres_, -1)); }

std::vector<Duration> StatementTimes::Of(const std::string& statement) const {
  std::ifstream log(LogOf(postgres_));
  log.seekg(begin_);
  const std::string bind = " ms  bind " + statement + ":";
  const std::string execute = " ms  execute " + statement + ":";
  std::map<std::string, Duration> bound;  // by session
  std::vector<Duration> times;
  for (std::string line; std::getline(log, line);) {
    constexpr std::string_view kTime = "LOG:  duration: ";
    const size_t time = line.find(kTime);
    if (time == std::string::npos) continue;
    // What stands before is the time of day, which is of no interest, and the process in brackets.
    const std::string session = line.substr(line.find('['), line.find(']') - line.find('['));
    const double milliseconds = std::atof(&line[time + kTime.size()]);
    const auto took = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::milli>(milliseconds));
    if (line.find(bind, time) != std::string::npos) bound[session] = took;
    if (line.find(execute, time) == std::string::npos) continue;
    times.push_back(took + bound[session]);
  }
  return times;
}

}  // namespace vigil::bench
