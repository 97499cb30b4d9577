// What a runner runs and what it writes, with real threads, against scripted coordinators.
#include "vigil/runner.h"

#include <atomic>
#include <thread>
#include <vector>

#include "client/runner_fixture.h"
#include "keys_in_flight.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(RunnerTest, Submit_RunsAndCompletes) {
  auto runner = Run(
      "web-1",
      {{"", [](const Task& task) -> TaskResult { return Done{task.item().payload + " done"}; }}});
  const auto submitted = runner->Submit("k", "seven");
  ASSERT_TRUE(submitted);
  EXPECT_EQ(submitted->outcome, StartOutcome::kStarted);
  ASSERT_TRUE(Await("COMPLETED", "k"));
  EXPECT_EQ(cluster_.FindItem("k")->result(), "seven done");
}

TEST_F(RunnerTest, Concurrency_NeverMoreAtOnce) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  Gate gate;
  auto runner = Run("web-1", {{"", Noted([&](const Task&) -> TaskResult {
                                 const int now = ++running;
                                 for (int seen = most; seen < now;) {
                                   most.compare_exchange_weak(seen, now);
                                 }
                                 gate.Pass();
                                 --running;
                                 return Done{};
                               })}},
                    2);
  for (const char* key : {"a", "b", "c", "d", "e"}) ASSERT_TRUE(runner->Submit(key));
  ASSERT_TRUE(cluster_.Await([&] { return running == 2; }));
  gate.Open();
  ASSERT_TRUE(cluster_.Await([&] {
    const auto all = journal_.all();
    return std::count_if(all.begin(), all.end(),
                         [](const Happening& h) { return h.what == "COMPLETED"; }) == 5;
  }));
  EXPECT_EQ(most, 2);
}

// P5, in this process: the old function may still be at work.
TEST_F(RunnerTest, Key_OfALostItemRunsAgainOnlyWhenItsFunctionHasReturned) {
  Gate gate;
  auto first = Run("web-1", {{"", [&](const Task&) -> TaskResult {
                                journal_.Add({"first runs", ""});
                                gate.Pass();  // deaf
                                journal_.Add({"first returned", ""});
                                return Done{"late"};
                              }}});
  ASSERT_TRUE(first->Submit("k"));
  ASSERT_TRUE(Await("first runs", ""));
  auto second = Run("web-2", {{"", [&](const Task&) -> TaskResult {
                                 journal_.Add({"second runs", ""});
                                 return Done{"second"};
                               }}});
  Kill("web-1");
  ASSERT_TRUE(cluster_.Await([&] { return cluster_.FindItem("k")->fence() == 2; }));
  const int heartbeats = a_.Count("heartbeat");  // time enough for it to begin
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("heartbeat") > heartbeats + 1; }));
  EXPECT_FALSE(Happened("second runs", ""));
  gate.Open();
  ASSERT_TRUE(Await("second runs", ""));
  ASSERT_TRUE(Await("COMPLETED", "k"));
  EXPECT_EQ(cluster_.FindItem("k")->result(), "second");
  EXPECT_EQ(first->Wait().state, SelfState::kLost);
}

TEST_F(RunnerTest, Key_TwoAtOnceAreServedInTurn) {
  KeysInFlight keys;
  std::stop_source stop;
  ASSERT_TRUE(keys.Begin("default", "k", stop.get_token()));
  EXPECT_TRUE(keys.Begin("default", "l", stop.get_token()));
  EXPECT_TRUE(keys.Begin("other", "k", stop.get_token()));
  Gate began;
  std::thread second([&] {
    if (keys.Begin("default", "k", stop.get_token())) began.Open();
  });
  keys.End("default", "k");
  began.Pass();
  second.join();
  stop.request_stop();
  EXPECT_FALSE(keys.Begin("default", "k", stop.get_token()));
  EXPECT_FALSE(keys.Begin("default", "m", stop.get_token()));
}

// P5, in this process
TEST_F(RunnerTest, Key_NeverTwoAtOnce) {
  KeysInFlight keys;
  const std::stop_source stop;
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        if (!keys.Begin("default", "k", stop.get_token())) return;
        if (const int now = ++inside; now > most) most = now;
        std::this_thread::yield();
        --inside;
        keys.End("default", "k");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

// P7
TEST_F(RunnerTest, Lost_TheTokenFiresBetweenTheStopMarginAndTheEndOfTheLease) {
  std::atomic<Time> fired{};
  auto runner = Run("web-1", {{"", Noted([&](const Task& task) {
                                 UntilStopped(task);
                                 fired = BootClock::now();
                                 EXPECT_FALSE(task.alive_until());
                                 EXPECT_EQ(task.Checkpoint("late").error().code, Code::kCancelled);
                                 return Done{"late"};
                               })}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  a_.Change([](auto& script) { script.answer_heartbeats = false; });
  a_.BreakStreams();
  a_.Kill();
  const RunnerEnd end = runner->Wait();
  EXPECT_EQ(end.state, SelfState::kLost);
  const Standing standing = runner->standing();
  EXPECT_GE(fired.load(), standing.alive_until);
  EXPECT_LT(fired.load(), standing.lease_until);
}

TEST_F(RunnerTest, Lost_NothingIsWrittenAfterwards) {
  auto runner = Run(
      "web-1", {{"", Noted([](const Task& task) { return UntilStopped(task, Done{"late"}); })}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  Kill("web-1");
  ASSERT_TRUE(Await("LOST", "k"));
  runner->Wait();
  for (const char* method : {"CompleteWork", "ReleaseWork", "FailWork", "CheckpointWork"})
    EXPECT_EQ(a_.Count(method), 0) << method;
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_OWNED);
}

TEST_F(RunnerTest, Fenced_ARefusedCheckpointFiresTheTokenAtOnce) {
  a_.Change([](auto& script) {
    script.refuse_call = [](const std::string& method) {
      if (method != "CheckpointWork") return grpc::Status::OK;
      return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_FENCED, "stale");
    };
  });
  auto runner = Run("web-1", {{"", [](const Task& task) -> TaskResult {
                                 EXPECT_EQ(task.Checkpoint("1").error().reason, Reason::kFenced);
                                 EXPECT_TRUE(task.stop_token().stop_requested());
                                 EXPECT_EQ(task.Checkpoint("2").error().code, Code::kCancelled);
                                 return Done{};
                               }}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("LOST", "k"));
  EXPECT_EQ(a_.Count("CheckpointWork"), 1);
  EXPECT_EQ(a_.Count("CompleteWork"), 0);
  EXPECT_TRUE(runner->alive_until()) << "the pod lives";
}

TEST_F(RunnerTest, Fenced_TheEventFiresTheTokenThoughNothingIsWritten) {
  auto runner = Run("web-1", {{"", Noted()}});
  ASSERT_TRUE(runner->Submit("k"));
  ASSERT_TRUE(Await("runs", "k"));
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("ListWork") >= 1; }));  // it follows the log
  cluster_.Assign("k", RegisterOther("other"));
  EXPECT_TRUE(Await("LOST", "k"));
  EXPECT_EQ(a_.Count("ReleaseWork"), 0);
}

// A call that hangs, and a callback that does, hold up nothing but their own item.
TEST_F(RunnerTest, Hanging_HoldsUpNoOtherLoss) {
  Gate gate;
  a_.Change([&](auto& script) {
    script.refuse_call = [&](const std::string& method) {
      if (method == "CompleteWork") gate.Pass();
      return grpc::Status::OK;
    };
  });
  auto runner =
      Run("web-1", {{"done", Noted([](const Task&) { return Done{}; })},
                    {"deaf", Noted([&](const Task& task) {
                       const std::stop_callback hangs(task.stop_token(), [&] { gate.Pass(); });
                       gate.Pass();
                       return GivenBack{};
                     })},
                    {"good", Noted()}});
  ASSERT_TRUE(runner->Submit("a", "", {.kind = "done"}));
  ASSERT_TRUE(runner->Submit("b", "", {.kind = "deaf"}));
  ASSERT_TRUE(runner->Submit("c", "", {.kind = "good"}));
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("CompleteWork") == 1; }));
  ASSERT_TRUE(Await("runs", "c"));
  Kill("web-1");
  EXPECT_TRUE(Await("LOST", "c"));
  EXPECT_FALSE(Happened("LOST", "b"));
  gate.Open();
  EXPECT_TRUE(Await("LOST", "b"));
}

TEST_F(RunnerTest, Sweep_ClaimsOrphansOfItsKindsAndNothingOfTheLivings) {  // P6
  const std::uint64_t dead = RegisterOther("dead");
  const std::uint64_t living = RegisterOther("living");
  StartFor(dead, "orphan", "good");
  StartFor(dead, "other-kind", "strange");
  StartFor(dead, "assigned", "good", v1::RECOVERY_POLICY_ASSIGN);
  StartFor(living, "alive", "good");
  cluster_.End(dead, v1::POD_STATE_DEAD);
  auto runner = Run("web-1", {{"good", Noted()}});
  ASSERT_TRUE(Await("runs", "orphan"));
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("ClaimOrphans answered") >= 2; }));
  EXPECT_EQ(cluster_.FindItem("alive")->owner(), living);
  EXPECT_EQ(cluster_.FindItem("other-kind")->owner(), dead);
  EXPECT_EQ(cluster_.FindItem("assigned")->owner(), dead);
  cluster_.Assign("assigned", IncarnationOf("web-1"));
  EXPECT_TRUE(Await("runs", "assigned"));
}

TEST_F(RunnerTest, Death_ItsWorkIsTakenOverAtTheEvent) {
  const std::uint64_t owner = RegisterOther("owner");
  StartFor(owner, "k");
  auto runner = Run("web-1", {{"", Noted()}});
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("ListWork") >= 1; }));
  cluster_.End(owner, v1::POD_STATE_DEAD);
  ASSERT_TRUE(Await("runs", "k"));
  EXPECT_EQ(cluster_.FindItem("k")->owner(), IncarnationOf("web-1"));
}

}  // namespace
}  // namespace vigil::client
