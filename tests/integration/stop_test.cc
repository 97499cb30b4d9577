// How long `vigild serve` takes to stop.
#include <gtest/gtest.h>

#include <csignal>

#include "support/process.h"
#include "support/relay.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;

class StopTest : public testing::Test {
 protected:
  void SetUp() override {
    auto relay = Relay::Start(TestCluster().port());
    ASSERT_TRUE(relay) << relay.error().message;
    relay_ = std::move(*relay);
    server_ =
        Spawn({"vigild", "serve", "--insecure", "true", "--listen", "127.0.0.1:0", "--http-listen",
               "127.0.0.1:0", "--drain-timeout", "1s", "--database-deadline", "1s"});
    Await(*server_, "Joined the cluster.");
  }

  std::unique_ptr<Process> Spawn(std::vector<std::string> command) {
    auto program = FindBuilt(command.front());
    EXPECT_TRUE(program) << program.error().message;
    command.front() = *program;
    const std::string conninfo = database_.conninfo() + " host=127.0.0.1 sslmode=disable port=" +
                                 std::to_string(relay_->port());
    auto process = Process::Spawn(
        {.command = std::move(command), .environment = {{"VIGIL_DATABASE", conninfo}}});
    EXPECT_TRUE(process) << process.error().message;
    return std::move(*process);
  }

  static std::string Await(Process& process, const std::string& text) {
    const auto line = process.AwaitLine(
        [&](const Process::Line& read) { return read.text.find(text) != std::string::npos; },
        seconds(20));
    EXPECT_TRUE(line) << text << " is missing in:\n" << process.Transcript();
    return line ? line->text : "";
  }

  TestDatabase database_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Process> server_;
};

// P11: the sum that the chart's grace period is held to, charts/vigil/templates/_checks.tpl: the
// drain, four deadlines of the database, and 2 s.
TEST_F(StopTest, InTimeThoughTheDatabaseDoesNotAnswer) {
  const std::string listening = Await(*server_, "Listening.");
  const std::string address =
      "127.0.0.1:" + listening.substr(listening.find("port=") + std::string("port=").size());
  const auto pod = Spawn({"vigil", "--address", address, "--output", "json", "run", "--pod",
                          "staying", "--work", "w", "--", "tail", "-f", "/dev/null"});
  Await(*pod, R"("event":"running")");
  relay_->Stall();
  const auto caller = Spawn({"vigil", "--address", address, "pods", "list"});
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->AwaitEnd(seconds(1 + 4 + 2)), 0) << server_->Transcript();
}

}  // namespace
}  // namespace vigil
