// How a runner hands over and ends, what it says of failures, and what it refuses to begin with.
#include <gmock/gmock.h>

#include "client/runner_fixture.h"
#include "runner_options.h"
#include "task_run.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::map<std::string, std::string> Labels(int count) {
  std::map<std::string, std::string> labels;
  for (int i = 0; i < count; ++i) labels["label-" + std::to_string(i)] = "value";
  return labels;
}

TEST_F(RunnerTest, Stop_HandsOver) {
  auto runner = Run("web-1", {{"", Noted([](const Task& task) -> TaskResult {
                                 UntilStopped(task);
                                 EXPECT_TRUE(task.Checkpoint("half"));
                                 return GivenBack{};
                               })}});
  ASSERT_TRUE(runner->Submit("competing"));
  ASSERT_TRUE(runner->Submit("sticky", "", {.policy = RecoveryPolicy::kSticky}));
  ASSERT_TRUE(Await("runs", "sticky"));
  ASSERT_TRUE(cluster_.Await([&] { return Happened("runs", "competing"); }));
  const RunnerEnd end = runner->Stop(seconds(20));
  EXPECT_TRUE(end.left);
  EXPECT_TRUE(end.unreturned.empty());
  EXPECT_EQ(StateOf("web-1"), v1::POD_STATE_LEFT);
  EXPECT_TRUE(IsHandedOver("competing"));
  EXPECT_GE(a_.Count("ReleaseWork"), 1);
  EXPECT_EQ(cluster_.FindItem("competing")->checkpoint(), "half");
  EXPECT_EQ(cluster_.FindItem("sticky")->state(), v1::WORK_STATE_OWNED);
  EXPECT_EQ(cluster_.FindItem("sticky")->checkpoint(), "half");
  EXPECT_EQ(runner->Submit("more").error().code, Code::kCancelled);
}

TEST_F(RunnerTest, Stop_WithAllTheTimeInTheWorld) {
  auto runner = Run("web-1", {{"", Noted()}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  const RunnerEnd end = runner->Stop(Duration::max());
  EXPECT_TRUE(end.left);
  EXPECT_TRUE(end.unreturned.empty());
  EXPECT_TRUE(IsHandedOver("k"));
  EXPECT_GE(a_.Count("ReleaseWork"), 1);
}

// A function takes its time, and nobody runs what waits behind it.
TEST_F(RunnerTest, Stop_WhatWaitsIsReleasedBeforeTheFunctionHasReturned) {
  Gate gate;
  auto runner = Run("web-1", {{"", Noted([&](const Task&) -> TaskResult {
                                 gate.Pass();
                                 return GivenBack{};
                               })}},
                    1);
  ASSERT_TRUE(runner->Submit("slow"));
  ASSERT_TRUE(Await("runs", "slow"));
  ASSERT_TRUE(runner->Submit("waits"));
  StartFor(IncarnationOf("web-1"), "assigned", "", v1::RECOVERY_POLICY_ASSIGN);
  runner->BeginStop(seconds(20));
  EXPECT_TRUE(cluster_.Await([&] { return a_.Count("ReleaseWork answered") >= 1; }));
  EXPECT_EQ(StateOf("web-1"), v1::POD_STATE_ALIVE);
  gate.Open();
  EXPECT_TRUE(runner->Wait().left);
  EXPECT_TRUE(IsHandedOver("slow"));
  EXPECT_GE(a_.Count("ReleaseWork"), 1);
  EXPECT_EQ(cluster_.FindItem("assigned")->state(), v1::WORK_STATE_OWNED);
  EXPECT_FALSE(Happened("runs", "waits"));
}

TEST_F(RunnerTest, Stop_WhatDoesNotReturnIsReportedAndNotHandedOver) {
  Gate gate;
  auto runner = Run("web-1", {{"", Noted([&](const Task&) -> TaskResult {
                                 gate.Pass();
                                 return GivenBack{};
                               })}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  EXPECT_EQ(runner->Stop(milliseconds(200)).unreturned, std::vector<std::string>{"k"});
  const int heartbeats = a_.Count("heartbeat");
  EXPECT_TRUE(cluster_.Await([&] { return a_.Count("heartbeat") > heartbeats + 1; }));
  EXPECT_EQ(StateOf("web-1"), v1::POD_STATE_ALIVE);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_OWNED);
  gate.Open();
  EXPECT_TRUE(cluster_.Await([&] { return StateOf("web-1") == v1::POD_STATE_LEFT; }));
}

TEST_F(RunnerTest, Destructor_StopsAndLeaves) {
  auto runner = Run("web-1", {{"", Noted()}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  runner.reset();
  EXPECT_EQ(StateOf("web-1"), v1::POD_STATE_LEFT);
  EXPECT_TRUE(IsHandedOver("k"));
  EXPECT_GE(a_.Count("ReleaseWork"), 1);
}

TEST_F(RunnerTest, Failure_OfEachKindIsSaid) {
  auto runner = Run("web-1", {{"fails", [](const Task&) { return Failed{"bad\nrow \xff 7"}; }},
                              {"throws", [](const Task&) -> TaskResult {
                                 return Done{std::string(1, std::string().at(7))};
                               }}});
  // Released at once, it comes back again and again: the coordinators quarantine it in the end.
  ASSERT_TRUE(runner->Submit("fails", "", {.kind = "fails"}));
  ASSERT_TRUE(runner->Submit("throws", "", {.kind = "throws"}));
  StartFor(IncarnationOf("web-1"), "strange", "strange");
  ASSERT_TRUE(cluster_.Await([&] { return cluster_.FindItem("strange")->adoptions() > 0; }));
  ASSERT_TRUE(cluster_.Await([&] {
    return cluster_.FindItem("fails")->adoptions() > 0 &&
           cluster_.FindItem("throws")->adoptions() > 0;
  }));
  runner->Stop(seconds(10));
  EXPECT_EQ(cluster_.FindItem("fails")->former_owners(0).reason(), "bad row ? 7");
  EXPECT_THAT(cluster_.FindItem("throws")->former_owners(0).reason(),
              HasSubstr("the work function threw: "));
  EXPECT_THAT(cluster_.FindItem("strange")->former_owners(0).reason(), HasSubstr("no function"));
}

TEST_F(RunnerTest, Options_ThatMakeNoSenseAreRefused) {
  const std::map<std::string, WorkFunction> any = {{"", [](const Task&) { return Done{}; }}};
  for (const Runner::Options& options :
       {Runner::Options{.functions = {}}, Runner::Options{.functions = any, .concurrency = 0},
        Runner::Options{.functions = any, .concurrency = 1001},
        Runner::Options{.functions = {{"", nullptr}}},
        Runner::Options{.functions = {{"Import", any.at("")}}},
        Runner::Options{.functions = {{std::string(64, 'k'), any.at("")}}},
        Runner::Options{.functions = any, .labels = {{"", "value"}}},
        Runner::Options{.functions = any, .labels = {{"key", std::string(256, 'v')}}},
        Runner::Options{.functions = any, .labels = {{std::string(64, 'k'), "value"}}},
        Runner::Options{.functions = any, .labels = Labels(33)},
        Runner::Options{.functions = any, .poll_interval = std::chrono::milliseconds(99)},
        Runner::Options{.functions = any, .poll_interval = std::chrono::hours(25)},
        Runner::Options{.functions = any, .failure_pause = seconds(61)},
        Runner::Options{.functions = any, .failure_pause = seconds(-1)}}) {
    Runner runner(Connect({&a_}), options);
    EXPECT_EQ(runner.AwaitRegistration().error().code, Code::kInvalidArgument);
    EXPECT_EQ(runner.Wait().state, SelfState::kRefused);
    EXPECT_FALSE(runner.alive_until());
    EXPECT_EQ(runner.Submit("k").error().code, Code::kInvalidArgument);
  }
  EXPECT_EQ(a_.Count("register"), 0);
}

// The answer to a registration tells no labels.
TEST_F(RunnerTest, Options_WhatPredecessorsHadIsChosenByItsKindAlone) {
  const WorkFunction any = [](const Task&) { return Done{}; };
  const Runner::Options some{.functions = {{"import", any}}, .labels = {{"zone", "a"}}};
  EXPECT_TRUE(HasFunction(some, {.traits = {.kind = "import"}}));
  EXPECT_FALSE(HasFunction(some, {.traits = {.kind = "export"}}));
  EXPECT_TRUE(HasFunction({.functions = {{"", any}}}, {.traits = {.kind = "export"}}));
}

TEST_F(RunnerTest, Refused_ByTheClusterIsTheEnd) {
  a_.Change([](auto& script) {
    script.refuse_sessions =
        Refusal(grpc::StatusCode::ALREADY_EXISTS, v1::ERROR_REASON_POD_NAME_TAKEN, "it lives");
  });
  Runner runner(Connect({&a_}), {.pod = {.name = "web-1"},
                                 .functions = {{"", [](const Task&) { return Done{}; }}}});
  const RunnerEnd end = runner.Wait();
  EXPECT_EQ(end.state, SelfState::kRefused);
  EXPECT_EQ(end.why->reason, Reason::kPodNameTaken);
}

TEST(Reasons, AreWhatTheContractTakes) {
  EXPECT_EQ(AsReason(""), "no reason was given");
  EXPECT_EQ(AsReason("für 7\t€"), "für 7 €");
  EXPECT_EQ(AsReason("\xed\xa0\x80"), "???");
  EXPECT_EQ(AsReason(std::string(600, 'x')).size(), 512U);
  EXPECT_EQ(AsReason(std::string(511, 'x') + "€").size(), 511U);
}

}  // namespace
}  // namespace vigil::client
