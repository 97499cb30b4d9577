// `vigil run` as a process, against scripted coordinators.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/scripted_coordinator.h"
#include "guard/exit_code.h"
#include "support/reporting_process.h"

namespace vigil::client {

inline constexpr auto kPatience = std::chrono::seconds(20);

// Says when it runs, and goes on until it is killed.
inline constexpr const char* kEndless = "echo up; while :; do sleep 1; done";
// The same, but deaf to what asks it to stop.
inline constexpr const char* kDeaf = "trap '' TERM INT; echo up; while :; do sleep 1; done";

class RunTest : public ::testing::Test {
 protected:
  // `vigil run` of the item "k" as pod "web-1", with these words after it.
  void Run(std::vector<std::string> words, std::map<std::string, std::string> environment = {}) {
    std::vector<std::string> command = {VIGIL_COMMAND, "-o",    "json",  "--address", addresses_,
                                        "run",         "--pod", "web-1", "--work",    "k"};
    command.insert(command.end(), words.begin(), words.end());
    auto spawned =
        ReportingProcess::Spawn({.command = command, .environment = std::move(environment)});
    ASSERT_TRUE(spawned) << spawned.error().message;
    run_ = std::move(*spawned);
  }

  void RunScript(const std::string& script, std::vector<std::string> options = {},
                 std::map<std::string, std::string> environment = {}) {
    options.insert(options.end(), {"--", "/bin/sh", "-c", script});
    Run(std::move(options), std::move(environment));
  }

  // Runs the script and waits until it has said "up".
  void BeUp(const std::string& script, std::vector<std::string> options = {},
            std::map<std::string, std::string> environment = {}) {
    RunScript(script, std::move(options), std::move(environment));
    ASSERT_TRUE(AwaitOutput("up")) << run_->process().Transcript();
  }

  bool AwaitOutput(const std::string& text) {
    return run_->process()
        .AwaitLine(
            [&](const auto& line) {
              return line.stream == Process::Stream::kOut && line.text == text;
            },
            kPatience)
        .has_value();
  }

  std::optional<Report> AwaitReport(std::string_view event) {
    return run_->Await(event, kPatience);
  }

  void ExpectNoReport(std::initializer_list<const char*> events) {
    for (const char* event : events) {
      EXPECT_TRUE(run_->Reports(event).empty()) << run_->process().Transcript();
    }
  }

  // So many more than there were.
  bool AwaitHeartbeats(int count) {
    const int before = a_.Count("heartbeat");
    return cluster_.Await([&] { return a_.Count("heartbeat") >= before + count; });
  }

  int AwaitExit() { return run_->process().AwaitEnd(kPatience).value_or(-1); }

  std::uint64_t RegisterAnother() {
    v1::Register request;
    request.set_name("other");
    request.set_registration_id("other");
    return cluster_.Register(request, 1).incarnation();
  }

  // Another pod that owns the item.
  std::uint64_t OwnedByAnother() {
    v1::StartWorkRequest start;
    start.set_key("k");
    start.set_incarnation(RegisterAnother());
    v1::StartWorkResponse response;
    EXPECT_TRUE(cluster_.Start(start, response).ok());
    return start.incarnation();
  }

  std::uint64_t Own() const { return cluster_.FindByName("web-1")->incarnation(); }
  v1::PodState OwnState() const { return cluster_.FindByName("web-1")->state(); }

  // A file of this test's own.
  static std::string TemporaryPath(const std::string& what) {
    return ::testing::TempDir() + "vigil-" + what + "-" + std::to_string(getpid());
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  std::string addresses_ = a_.address();
  std::unique_ptr<ReportingProcess> run_;
};

}  // namespace vigil::client
