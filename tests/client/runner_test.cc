// A runner with real threads, against scripted coordinators.
#include "vigil/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/journal.h"
#include "client/scripted_coordinator.h"
#include "keys_in_flight.h"
#include "task_run.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// What a function does until its stop token fires.
TaskResult UntilStopped(const Task& task, TaskResult result = GivenBack{}) {
  std::mutex mutex;
  std::condition_variable_any fired;
  std::unique_lock lock(mutex);
  fired.wait(lock, task.stop_token(), [] { return false; });
  return result;
}

// A door that functions wait behind.
class Gate {
 public:
  void Open() {
    {
      std::lock_guard lock(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

struct Happening {
  std::string what;
  std::string key;
};

class RunnerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Runner> Run(std::string name, std::map<std::string, WorkFunction> functions,
                              std::uint32_t concurrency = 4) {
    Runner::Options options;
    options.pod.name = std::move(name);
    options.functions = std::move(functions);
    options.concurrency = concurrency;
    options.poll_interval = milliseconds(500);
    auto runner = std::make_unique<Runner>(
        Connect({&a_}), std::move(options),
        Runner::Callbacks{
            .pod = {.on_change =
                        [this](const Standing& s) {
                          journal_.Add({std::string(Name(s.state)), ""});
                        }},
            .on_ended = [this](const WorkItem& item, TaskEnd end, const std::optional<Error>&) {
              journal_.Add({std::string(Name(end)), item.key});
            }});
    EXPECT_TRUE(runner->AwaitRegistration());
    return runner;
  }

  // Notes that it runs, and then does this.
  WorkFunction Noted(WorkFunction then = [](const Task& task) { return UntilStopped(task); }) {
    return [this, then = std::move(then)](const Task& task) {
      journal_.Add({"runs", task.item().key});
      return then(task);
    };
  }

  bool Await(const std::string& what, const std::string& key) {
    return journal_
        .Await([&](const Happening& seen) { return seen.what == what && seen.key == key; })
        .has_value();
  }
  bool Happened(const std::string& what, const std::string& key) const {
    const auto all = journal_.all();
    return std::any_of(all.begin(), all.end(),
                       [&](const Happening& seen) { return seen.what == what && seen.key == key; });
  }

  std::uint64_t RegisterOther(const std::string& name) {
    v1::Register request;
    request.set_name(name);
    request.set_registration_id(name);
    return cluster_.Register(request, 1).incarnation();
  }
  void StartFor(std::uint64_t owner, const std::string& key, const std::string& kind = "",
                v1::RecoveryPolicy policy = v1::RECOVERY_POLICY_COMPETE) {
    v1::StartWorkRequest request;
    request.set_namespace_("default");
    request.set_key(key);
    request.set_kind(kind);
    request.set_policy(policy);
    request.set_incarnation(owner);
    v1::StartWorkResponse response;
    ASSERT_TRUE(cluster_.Start(request, response).ok());
  }
  v1::PodState StateOf(const std::string& name) { return cluster_.FindByName(name)->state(); }
  std::uint64_t IncarnationOf(const std::string& name) {
    return cluster_.FindByName(name)->incarnation();
  }
  // The cluster declares the pod dead, and tells it.
  void Kill(const std::string& name) {
    cluster_.End(IncarnationOf(name), v1::POD_STATE_DEAD);
    a_.BreakStreams();
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  Journal<Happening> journal_;
};

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
  EXPECT_EQ(cluster_.FindItem("competing")->state(), v1::WORK_STATE_RELEASED);
  EXPECT_EQ(cluster_.FindItem("competing")->checkpoint(), "half");
  EXPECT_EQ(cluster_.FindItem("sticky")->state(), v1::WORK_STATE_OWNED);
  EXPECT_EQ(cluster_.FindItem("sticky")->checkpoint(), "half");
  EXPECT_EQ(runner->Submit("more").error().code, Code::kCancelled);
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
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_RELEASED);
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
        Runner::Options{.functions = {{"", nullptr}}}}) {
    Runner runner(Connect({&a_}), options);
    EXPECT_EQ(runner.AwaitRegistration().error().code, Code::kInvalidArgument);
    EXPECT_EQ(runner.Wait().state, SelfState::kRefused);
    EXPECT_FALSE(runner.alive_until());
    EXPECT_EQ(runner.Submit("k").error().code, Code::kInvalidArgument);
  }
  EXPECT_EQ(a_.Count("register"), 0);
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
