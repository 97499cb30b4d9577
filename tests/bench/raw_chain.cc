#include "raw_chain.h"

#include <csignal>
#include <sstream>

#include "hexadecimal.h"
#include "measuring.h"
#include "query.h"

namespace vigil::bench {
namespace {

constexpr auto kDatabase = "bench_raw_fanout";
constexpr auto kTable =
    "CREATE TABLE raw_events ("
    "  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL)";

}  // namespace

RawChain::~RawChain() {
  server_ = nullptr;
  if (!database_.empty()) static_cast<void>(postgres_.DropDatabase(database_));
}

Result<std::unique_ptr<RawChain>> RawChain::Start(pg::PrivateCluster& postgres,
                                                  const std::string& message) {
  std::unique_ptr<RawChain> chain(new RawChain(postgres));
  auto program = FindBuilt("vigil_bench_raw_fanout");
  if (!program) return Fail(program.error());
  if (auto created = postgres.CreateDatabase(kDatabase); !created) return Fail(created.error());
  chain->database_ = kDatabase;
  if (auto made = RunScript(chain->Conninfo(), kTable); !made) return Fail(made.error());

  auto server = Process::Spawn({.command = {*program, ToHexadecimal(message)},
                                .environment = {{"VIGIL_BENCH_DATABASE", chain->Conninfo()}}});
  if (!server) return Fail(server.error());
  chain->server_ = std::move(*server);
  auto port = AwaitWords(*chain->server_, "listening ");
  if (!port) return Fail(port.error());
  chain->port_ = std::stoi(*port);
  return chain;
}

void RawChain::Publish() { server_->Signal(SIGUSR1); }

Result<std::vector<Instant>> RawChain::Acknowledged() {
  server_->Signal(SIGUSR2);
  auto line = AwaitWords(*server_, "acknowledged");
  if (!line) return Fail(line.error());
  std::istringstream words(*line);
  std::vector<Instant> times;
  for (Duration::rep at = 0; words >> at;) times.push_back(Instant(Duration(at)));
  return times;
}

}  // namespace vigil::bench
