// Runners that are stopped, paused, restarted and killed: each item has one owner, and what the
// work has written is neither lost nor doubled.
#include <csignal>
#include <fstream>
#include <map>
#include <set>

#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "vigil/runner.h"

namespace vigil {
namespace {

using client::EventKind;
using client::TaskEnd;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Runners : public Scenario {
 protected:
  Runners() : output_(::testing::TempDir() + "vigil-output-" + std::to_string(getpid())) {
    std::remove(output_.c_str());
  }
  ~Runners() override { std::remove(output_.c_str()); }

  void TearDown() override {
    Scenario::TearDown();
    if (!HasFailure()) return;
    for (const auto& worker : workers_) {
      std::printf("--- a worker\n%s", worker->process().Transcript().c_str());
    }
  }

  // The example, as a process.
  ReportingProcess& Work(const std::string& name, std::vector<std::string> words = {}) {
    const auto program = FindBuilt("vigil_example_worker");
    std::vector<std::string> command = {program ? *program : "",
                                        "--pod",
                                        name,
                                        "--output",
                                        output_,
                                        "--poll-ms",
                                        "1000",
                                        "--pace-ms",
                                        "20",
                                        "--lease-ms",
                                        "2000"};
    for (const std::string& address : cluster().Addresses()) {
      command.insert(command.end(), {"--address", address});
    }
    command.insert(command.end(), words.begin(), words.end());
    auto spawned = ReportingProcess::Spawn({.command = std::move(command)});
    if (!spawned) {
      ADD_FAILURE() << spawned.error().message;
      std::abort();
    }
    workers_.push_back(std::move(*spawned));
    return *workers_.back();
  }

  static std::vector<std::string> Submitting(const std::vector<std::string>& keys) {
    std::vector<std::string> words = {"--concurrency", std::to_string(keys.size())};
    for (const std::string& key : keys) words.insert(words.end(), {"--submit", key});
    return words;
  }

  // Waits until the worker has said so of the key, with a number of at least this.
  Report ExpectOf(ReportingProcess& worker, const std::string& event, const std::string& key,
                  uint64_t n = 0) {
    return Expect(worker, event, [&](const Report& report) {
      return report.Text("key") == key && report.Number("n") >= n;
    });
  }

  struct Line {
    uint64_t fence;
    uint64_t n;
  };
  // All that was written for a key, in the order of the file.
  std::vector<Line> Written(const std::string& key) const {
    std::ifstream file(output_);
    std::vector<Line> lines;
    std::string name;
    for (Line line{}; file >> name >> line.fence >> line.n;) {
      if (name == key) lines.push_back(line);
    }
    return lines;
  }

  // What a reader keeps who drops whatever carries a lower fence than he has seen: every number, by
  // one owner after the other.
  void ExpectWhole(const std::string& key, uint64_t steps) const {
    std::map<uint64_t, uint64_t> kept;  // by number: the highest fence
    for (const Line& line : Written(key)) kept[line.n] = std::max(kept[line.n], line.fence);
    EXPECT_EQ(kept.size(), steps) << key;
    uint64_t fence = 0;
    for (const auto& [n, by] : kept) {
      EXPECT_GE(by, fence) << key << " " << n;
      fence = by;
    }
  }

  bool AwaitCompleted(const std::vector<std::string>& keys) {
    return Eventually(kPatience, [&] {
      return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
        return Item(key).state == client::WorkState::kCompleted;
      });
    });
  }

  // Whoever writes with what he had, although it is somebody else's by now.
  void ExpectLateWritesRefused(const std::string& key, client::Incarnation owner,
                               client::Fence fence) {
    const client::Work work(client(), "default");
    for (const auto& late :
         {work.Checkpoint(owner, key, fence, "late"), work.Complete(owner, key, fence, "late"),
          work.Release(owner, key, fence), work.Fail(owner, key, fence, "late")}) {
      ASSERT_FALSE(late);
      EXPECT_EQ(late.error().reason, client::Reason::kFenced);
    }
  }

  const std::string output_;
  std::vector<std::unique_ptr<ReportingProcess>> workers_;
};

// P5
TEST_F(Runners, GracefulStop_InMidWorkNothingIsLostOrDoubled) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const std::vector<std::string> keys = {"a", "b", "c"};
  auto words = Submitting(keys);
  words.insert(words.end(), {"--steps", "60"});
  ReportingProcess& first = Work("first", words);
  ReportingProcess& second = Work("second", {"--concurrency", "3"});
  Expect(second, "ready");
  for (const std::string& key : keys) ExpectOf(first, "output", key, 5);

  const Instant stopped = Now();
  first.process().Signal(SIGTERM);

  for (const std::string& key : keys) {
    const Report claimed = ExpectOf(second, "claimed", key);
    TakeDown("SIGTERM to the next owner of an item", claimed.At() - stopped);
  }
  EXPECT_EQ(first.process().AwaitEnd(kPatience), 0);
  ASSERT_TRUE(AwaitCompleted(keys));
  for (const std::string& key : keys) {
    const auto lines = Written(key);
    ASSERT_EQ(lines.size(), 60U) << key;
    std::set<uint64_t> fences;
    for (size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(lines[i].n, i + 1) << key;
      fences.insert(lines[i].fence);
    }
    EXPECT_EQ(fences, (std::set<uint64_t>{1, 2})) << key;
  }
  EXPECT_EQ(log().Count(Of(EventKind::kWorkReleased, "first")), 3U);
  EXPECT_EQ(log().Count(Of(EventKind::kPodDied)), 0U);
}

// P5, P7: the library finds LOST at its first look, and nothing that it had is accepted any more.
TEST_F(Runners, PausedOwner_WakesWithoutItsWork) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  auto words = Submitting({"a"});
  words.insert(words.end(), {"--steps", "200"});
  ReportingProcess& owner = Work("owner", words);
  const client::Incarnation incarnation(Expect(owner, "ALIVE").Number("incarnation"));
  ReportingProcess& survivor = Work("survivor");
  Expect(survivor, "ready");
  ExpectOf(owner, "output", "a", 5);

  owner.process().Signal(SIGSTOP);
  ExpectOf(survivor, "output", "a");
  const size_t before = owner.Reports("output").size();
  owner.process().Signal(SIGCONT);

  EXPECT_EQ(owner.process().AwaitEnd(kPatience), 1);
  Expect(owner, "LOST");
  EXPECT_EQ(ExpectOf(owner, "ended", "a").Text("as"), client::Name(TaskEnd::kLost));
  // It was stopped in the middle of one number at most.
  EXPECT_LE(owner.Reports("output").size(), before + 1);
  ExpectLateWritesRefused("a", incarnation, client::Fence(1));
  ASSERT_TRUE(AwaitCompleted({"a"}));
  ExpectWhole("a", 200);
}

// P5, P7
TEST_F(Runners, PausedOwnerUnderRun_ItsCommandIsGoneAndItsLateWritesAreRefused) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& owner = Run({.pod = "owner",
                                 .work = "item",
                                 .profile = "strict",
                                 .lease = "2s",
                                 .command = WithAChild()});
  const auto incarnation = ExpectRegistered(owner);
  const pid_t command = ExpectRunning(owner);
  const pid_t grandchild = ExpectChildOfCommand(owner);
  ASSERT_NE(grandchild, 0);
  ReportingProcess& survivor = Run({.pod = "survivor", .work = "item", .command = Counting()});
  Expect(survivor, "standing_by");

  owner.process().Signal(SIGSTOP);
  ASSERT_EQ(kill(-command, SIGSTOP), 0);

  const auto claimed = ExpectEvent("claimed", Claimed("item"));
  EXPECT_EQ(claimed.event.pod_name, "survivor");
  EXPECT_TRUE(AwaitGone(command, Duration::zero()));
  EXPECT_TRUE(AwaitGone(grandchild, Duration::zero()));
  owner.process().Signal(SIGCONT);
  Expect(owner, "lost");
  EXPECT_EQ(owner.process().AwaitEnd(kPatience), 120);
  ExpectLateWritesRefused("item", incarnation, client::Fence(1));
  ExpectCounting(survivor, "item", 2);
}

TEST_F(Runners, StickyRestarted_TheSameNameHasItBack) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  auto words = Submitting({"a"});
  words.insert(words.end(), {"--steps", "30", "--sticky-wait-ms", "600000"});
  ReportingProcess& first = Work("sticky", words);
  ReportingProcess& other = Work("other", {"--concurrency", "8"});
  Expect(other, "ready");
  ExpectOf(first, "output", "a", 5);

  first.process().Signal(SIGKILL);
  const auto died = ExpectEvent("died", Of(EventKind::kPodDied, "sticky"));
  EXPECT_EQ(died.event.orphans, 1U);
  ReportingProcess& second = Work("sticky");

  EXPECT_EQ(ExpectOf(second, "claimed", "a").Number("fence"), 2U);
  ASSERT_TRUE(AwaitCompleted({"a"}));
  ExpectWhole("a", 30);
  EXPECT_EQ(log().Count(Of(EventKind::kWorkClaimed, "other")), 0U);
}

TEST_F(Runners, StickyStopped_IsLeftToItsName) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  auto words = Submitting({"a"});
  words.insert(words.end(), {"--steps", "60", "--sticky-wait-ms", "600000"});
  ReportingProcess& first = Work("sticky", words);
  ReportingProcess& other = Work("other", {"--concurrency", "8"});
  Expect(other, "ready");
  ExpectOf(first, "output", "a", 5);

  first.process().Signal(SIGTERM);
  EXPECT_EQ(first.process().AwaitEnd(kPatience), 0);
  ReportingProcess& second = Work("sticky");

  ExpectOf(second, "claimed", "a");
  ASSERT_TRUE(AwaitCompleted({"a"}));
  EXPECT_EQ(Written("a").size(), 60U);
  EXPECT_EQ(log().Count(Of(EventKind::kWorkReleased)), 0U);
  EXPECT_EQ(log().Count(Of(EventKind::kWorkClaimed, "other")), 0U);
}

TEST_F(Runners, StickyNeverRestarted_AnotherHasItAfterTheWait) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  auto words = Submitting({"a"});
  words.insert(words.end(), {"--steps", "30", "--sticky-wait-ms", "2000"});
  ReportingProcess& first = Work("sticky", words);
  ReportingProcess& other = Work("other");
  Expect(other, "ready");
  ExpectOf(first, "output", "a", 5);

  first.process().Signal(SIGKILL);

  const auto died = ExpectEvent("died", Of(EventKind::kPodDied, "sticky"));
  const auto claimed = ExpectEvent("claimed", Claimed("a"));
  EXPECT_EQ(claimed.event.pod_name, "other");
  // By the database's clock, which both are stamped with.
  EXPECT_GE(*claimed.event.occurred_at - *died.event.occurred_at, milliseconds(1990));
  // The wait, and the survivor's poll of a second.
  ExpectWithin("death to the claim, after a wait of 2 s", claimed.at - died.at, seconds(4));
  ASSERT_TRUE(AwaitCompleted({"a"}));
  ExpectWhole("a", 30);
}

// P5, P6
TEST_F(Runners, TwoSweepsAtStartUp_EachItemIsHadOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  std::vector<std::string> keys;
  for (char c = 'a'; c <= 't'; ++c) keys.emplace_back(1, c);
  auto words = Submitting(keys);
  words.insert(words.end(), {"--steps", "40"});
  ReportingProcess& owner = Work("owner", words);
  Expect(owner, "ready");
  owner.process().Signal(SIGKILL);
  const auto died = ExpectEvent("died", Of(EventKind::kPodDied, "owner"));
  EXPECT_EQ(died.event.orphans, 20U);

  const std::vector<std::string> room = {"--concurrency", "20", "--pace-ms", "10"};
  const ReportingProcess& left = Work("left", room);
  const ReportingProcess& right = Work("right", room);

  ASSERT_TRUE(AwaitCompleted(keys));
  std::map<std::string, int> claims;
  for (const ReportingProcess* survivor : {&left, &right}) {
    for (const Report& claimed : survivor->Reports("claimed")) ++claims[claimed.Text("key")];
  }
  for (const std::string& key : keys) {
    EXPECT_EQ(claims[key], 1) << key;
    EXPECT_EQ(Item(key).fence, client::Fence(2));
    ExpectWhole(key, 40);
  }
  EXPECT_EQ(log().Count(Of(EventKind::kWorkClaimed)), keys.size());
  std::printf("two sweeps: %zu and %zu of %zu\n", left.Reports("claimed").size(),
              right.Reports("claimed").size(), keys.size());
}

TEST_F(Runners, PoisonItem_IsQuarantinedAndTheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const std::vector<std::string> good = {"a", "b", "c"};
  auto words = Submitting(good);
  words.insert(words.end(), {"--profile", "fast", "--steps", "100", "--pace-ms", "50"});
  words[1] = "8";
  ReportingProcess& first = Work("pod-0", words);
  Expect(first, "ready");
  // The one who starts it, and two who take it over, die of it.
  for (int i = 1; i <= 4; ++i) {
    Expect(Work("pod-" + std::to_string(i), {"--profile", "fast", "--concurrency", "8"}), "ready");
  }
  Work("poisoner",
       {"--profile", "fast", "--submit", "poison", "--kind", "abort", "--max-adoptions", "2"});

  const auto quarantined = ExpectEvent("quarantined", Of(EventKind::kWorkQuarantined), seconds(60));
  EXPECT_EQ(quarantined.event.work_key, "poison");
  const client::WorkItem poison = Item("poison");
  EXPECT_EQ(poison.state, client::WorkState::kQuarantined);
  EXPECT_EQ(poison.former_owners.size(), 3U);
  EXPECT_EQ(log().Count(Of(EventKind::kPodDied)), 3U);
  ASSERT_TRUE(AwaitCompleted(good));
  for (const std::string& key : good) ExpectWhole(key, 100);
  EXPECT_EQ(Living().size(), 3U);
}

}  // namespace
}  // namespace vigil
