// `vigil run` as a process, against a scripted coordinator: the command runs only while the pod
// owns the item and lives.
#include "client/run_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(RunTest, Run_CompletesTheItemWhenTheCommandSucceeds) {
  RunScript(
      "echo \"$VIGIL_WORK_KEY $VIGIL_FENCE $VIGIL_PAYLOAD $VIGIL_INCARNATION $VIGIL_POD "
      "$VIGIL_NAMESPACE\"",
      {"--payload", "seven", "--label", "zone=a", "--label", "rack=b=1"});
  EXPECT_TRUE(AwaitOutput("k 1 seven 1 web-1 default"));
  EXPECT_EQ(AwaitExit(), 0);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_COMPLETED);
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
  EXPECT_EQ(cluster_.FindByName("web-1")->labels().at("rack"), "b=1");
  for (const char* event : {"registered", "started", "running", "exited", "completed", "left"}) {
    EXPECT_EQ(run_->Reports(event).size(), 1U) << event;
  }
}

TEST_F(RunTest, Run_SaysWhatItsItemIs) {
  RunScript("true", {"--kind", "import", "--work-label", "size=large", "--policy", "assign",
                     "--selector", "zone=a", "--max-adoptions", "7"});
  EXPECT_EQ(AwaitExit(), 0);
  const auto assigned = cluster_.FindItem("k");
  EXPECT_EQ(assigned->kind(), "import");
  EXPECT_EQ(assigned->labels().at("size"), "large");
  EXPECT_EQ(assigned->policy(), v1::RECOVERY_POLICY_ASSIGN);
  EXPECT_EQ(assigned->selector().at("zone"), "a");
  EXPECT_EQ(assigned->max_adoptions(), 7U);
}

TEST_F(RunTest, Run_SaysThatItsNameNeverRunsTwice) {
  Run({"--", "true"}, {{"VIGIL_SUPERSEDE_KEY", "key-out-of-the-environment"}});
  EXPECT_EQ(AwaitExit(), 0);
  EXPECT_EQ(cluster_.supersede_key(), "key-out-of-the-environment");
  RunScript("true", {"--supersede-key", "key-of-the-command-line"});
  EXPECT_EQ(AwaitExit(), 0);
  EXPECT_EQ(cluster_.supersede_key(), "key-of-the-command-line");
}

TEST_F(RunTest, Run_GivesTheItemUpWhenTheCommandFails) {
  RunScript("exit 7");
  EXPECT_EQ(AwaitExit(), 7);
  const auto item = cluster_.FindItem("k");
  EXPECT_EQ(item->state(), v1::WORK_STATE_RELEASED);
  EXPECT_EQ(item->adoptions(), 1U);
  EXPECT_EQ(item->former_owners(0).reason(), "the command exited with 7");
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
  EXPECT_EQ(run_->Reports("given_up").size(), 1U);
}

TEST_F(RunTest, Run_APoisonousCommandIsQuarantined) {
  RunScript("kill -9 $$", {"--max-adoptions", "1"});
  EXPECT_EQ(AwaitExit(), 128 + SIGKILL);
  EXPECT_EQ(cluster_.FindItem("k")->former_owners(0).reason(),
            "the command exited with 137, that is signal 9");
  RunScript("exit 1");
  EXPECT_EQ(AwaitExit(), 1);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_QUARANTINED);
}

TEST_F(RunTest, Run_StandsByAndClaimsAtTheDeathOfTheOwner) {
  const std::uint64_t owner = OwnedByAnother();
  RunScript("echo \"fence $VIGIL_FENCE\"");
  const auto standing_by = AwaitReport("standing_by");
  ASSERT_TRUE(standing_by);
  EXPECT_EQ(standing_by->Number("owner"), owner);
  ASSERT_TRUE(cluster_.Await(
      [&] { return a_.Count("StartWork answered") >= 2; }));  // it follows the events
  cluster_.End(owner, v1::POD_STATE_DEAD);
  const auto claimed = AwaitReport("claimed");
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->Number("previous_owner"), owner);
  EXPECT_EQ(claimed->Number("fence"), 2U);
  EXPECT_EQ(claimed->Text("after"), "POD_DIED");
  EXPECT_LE(claimed->At("event_at_ns"), claimed->At("claimed_at_ns"));
  EXPECT_TRUE(AwaitOutput("fence 2"));
  EXPECT_EQ(AwaitExit(), 0);
}

TEST_F(RunTest, Run_ClaimsWhatIsReleased) {
  const std::uint64_t owner = OwnedByAnother();
  RunScript("true");
  ASSERT_TRUE(AwaitReport("standing_by"));
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("StartWork answered") >= 2; }));
  v1::ReleaseWorkRequest request;
  request.set_key("k");
  request.set_incarnation(owner);
  v1::ReleaseWorkResponse response;
  ASSERT_TRUE(cluster_.Release(request, response).ok());
  const auto claimed = AwaitReport("claimed");
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->Text("after"), "WORK_RELEASED");
  EXPECT_EQ(AwaitExit(), 0);
}

TEST_F(RunTest, Run_ClaimsAnOrphanThatItFinds) {
  cluster_.End(OwnedByAnother(), v1::POD_STATE_DEAD);
  RunScript("true");
  EXPECT_TRUE(AwaitReport("claimed"));
  EXPECT_EQ(AwaitExit(), 0);
}

TEST_F(RunTest, Run_EndsWellWhenSomebodyElseCompletesTheItem) {
  const std::uint64_t owner = OwnedByAnother();
  RunScript("echo never");
  ASSERT_TRUE(AwaitReport("standing_by"));
  v1::CompleteWorkRequest request;
  request.set_key("k");
  request.set_incarnation(owner);
  request.set_fence(1);
  v1::CompleteWorkResponse response;
  ASSERT_TRUE(cluster_.Complete(request, response).ok());
  EXPECT_EQ(AwaitExit(), 0);
  EXPECT_EQ(run_->Reports("completed_elsewhere").size(), 1U);
  EXPECT_TRUE(run_->Reports("running").empty());
}

TEST_F(RunTest, Signal_IsPassedOnAndTheItemReleased) {
  BeUp("trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.05; done");
  run_->process().Signal(SIGTERM);
  EXPECT_TRUE(AwaitOutput("told"));
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_RELEASED);
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
}

TEST_F(RunTest, Signal_AStickyItemIsLeftToThePodsName) {
  BeUp(kEndless, {"--policy", "sticky", "--sticky-wait", "1m"});
  run_->process().Signal(SIGTERM);
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
  EXPECT_EQ(cluster_.FindItem("k")->sticky_wait().seconds(), 60);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_OWNED);
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
  EXPECT_TRUE(run_->Reports("released").empty());
}

TEST_F(RunTest, Signal_ACommandThatDoesNotStopIsKilled) {
  BeUp(kDeaf, {"--stop-timeout", "300ms"});
  run_->process().Signal(SIGINT);
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGINT);
  EXPECT_EQ(AwaitReport("exited")->Number("code"), 128U + SIGKILL);
}

TEST_F(RunTest, Signal_WhileStandingByLeaves) {
  OwnedByAnother();
  RunScript("echo never");
  ASSERT_TRUE(AwaitReport("standing_by"));
  run_->process().Signal(SIGTERM);
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
}

TEST_F(RunTest, Signal_OfAnotherKindGoesToTheCommandAlone) {
  BeUp("trap 'echo usr1; exit 0' USR1; echo up; while :; do sleep 0.05; done");
  run_->process().Signal(SIGUSR1);
  EXPECT_TRUE(AwaitOutput("usr1"));
  EXPECT_EQ(AwaitExit(), 0);
}

TEST_F(RunTest, Lost_TheCommandHasEndedBeforeTheLease) {  // P7
  BeUp(kDeaf);
  a_.Kill();
  EXPECT_EQ(AwaitExit(), kRunLost);
  const auto lost = AwaitReport("lost");
  const auto exited = AwaitReport("exited");
  ASSERT_TRUE(lost && exited);
  EXPECT_EQ(exited->Number("code"), 128U + SIGKILL);
  // LOST comes at the stop margin of 400 ms, and the lease ends with it.
  EXPECT_LT(exited->At() - lost->At(), milliseconds(400));
}

TEST_F(RunTest, Lost_ByTheClustersVerdictStopsTheCommandAndClaimsNothing) {
  BeUp(kEndless);
  cluster_.End(Own(), v1::POD_STATE_DEAD);
  a_.BreakStreams();
  EXPECT_EQ(AwaitExit(), kRunLost);
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_OWNED);
}

// P5: somebody else has it, though the pod lives.
TEST_F(RunTest, Fenced_TheCommandIsStopped) {
  BeUp(kEndless);
  const std::uint64_t other = RegisterAnother();
  EXPECT_TRUE(cluster_.Await([&] {  // events from before it follows the log are not told
    cluster_.Assign("k", other);
    return !run_->Reports("fenced").empty();
  }));
  EXPECT_EQ(AwaitExit(), kRunFenced);
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
  EXPECT_EQ(a_.Count("ReleaseWork"), 0);
}

TEST_F(RunTest, Command_WhatItLeavesBehindInItsGroupIsKilled) {
  RunScript("(trap '' TERM HUP; while :; do sleep 1; done) & echo $!");
  const auto line = run_->process().AwaitLine(
      [](const auto& l) { return l.stream == Process::Stream::kOut; }, kPatience);
  ASSERT_TRUE(line);
  EXPECT_TRUE(AwaitGone(std::stoi(line->text), seconds(5)));
  EXPECT_EQ(AwaitExit(), 0);
}

TEST_F(RunTest, Command_InheritsNothingOfTheGuardians) {
  RunScript(
      "ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/* | grep -c -E 'socket|anon_inode'; "
      "true");
  EXPECT_EQ(AwaitExit(), 0);
  for (const auto& line : run_->process().Lines()) {
    if (line.stream == Process::Stream::kOut) {
      EXPECT_TRUE(line.text.ends_with(" 0")) << line.text;
    }
  }
}

TEST_F(RunTest, Command_ThatCannotBeRun) {
  Run({"--", "/no/such/command"});
  EXPECT_EQ(AwaitExit(), kRunNotFound);
  Run({"--", "/etc/passwd"});
  EXPECT_EQ(AwaitExit(), kRunCannotExecute);
}

TEST_F(RunTest, Completion_OfAnItemThatSomebodyElseOwnsByNowIsRefused) {  // P5
  a_.Change([](auto& script) {
    script.refuse_call = [](const std::string& method) {
      if (method != "CompleteWork") return grpc::Status::OK;
      return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_FENCED,
                     "the fence is stale");
    };
  });
  RunScript("true");
  EXPECT_EQ(AwaitExit(), kRunFenced);
}

TEST_F(RunTest, Registration_ThatIsRefused) {
  a_.Change([](auto& script) {
    script.refuse_sessions =
        Refusal(grpc::StatusCode::ALREADY_EXISTS, v1::ERROR_REASON_POD_NAME_TAKEN, "web-1 lives");
  });
  RunScript("echo never");
  EXPECT_EQ(AwaitExit(), kRunRefused);
}

TEST_F(RunTest, Move_IsReportedAndDisturbsNothing) {
  ScriptedCoordinator b(cluster_, 2);
  addresses_ = b.address() + "," + a_.address();
  RunScript(kEndless, {"--in-order"});
  const auto registered = AwaitReport("registered");
  ASSERT_TRUE(registered) << run_->process().Transcript();
  EXPECT_EQ(registered->Number("coordinator"), 2U);
  ASSERT_TRUE(AwaitOutput("up"));
  b.Kill();
  EXPECT_TRUE(AwaitReport("suspended"));
  const auto alive = AwaitReport("alive");
  ASSERT_TRUE(alive);
  EXPECT_EQ(alive->Number("coordinator"), 1U);
  EXPECT_EQ(alive->Number("incarnation"), registered->Number("incarnation"));
  run_->process().Signal(SIGTERM);
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
}

}  // namespace
}  // namespace vigil::client
