// The coordinators give away the work that is theirs to give, in simulated time.
#include "coordinator/assigner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kInterval = seconds(1);
// The longest rest between two sweeps.
constexpr Duration kUntilSwept = kInterval * 3 / 2;
constexpr uint64_t kLargestBatch = 64;
constexpr char kNs[] = "shop";

NewWork Assignable(const std::string& ns, const std::string& key, Incarnation starter,
                   std::map<std::string, std::string> selector = {}) {
  return {
      .ns = ns,
      .key = key,
      .starter = starter,
      .traits = {
          .policy = RecoveryPolicy::kAssign, .selector = std::move(selector), .max_adoptions = 5}};
}

class AssignerTest : public testing::Test {
 protected:
  // One of several, with a link of its own.
  struct Coordinator {
    Coordinator(AssignerTest& test, uint64_t seed, Duration interval)
        : database(test.scheduler_, test.world_.engine()),
          lane(database, test.scheduler_),
          assigner(lane, test.scheduler_, test.clock_, interval, seed, [] {}) {
      assigner.Start();
    }
    MemoryDatabase database;
    SimulatedLane lane;
    Assigner assigner;
  };

  Coordinator& Add(Duration interval = kInterval) {
    coordinators_.push_back(
        std::make_unique<Coordinator>(*this, coordinators_.size() + 1, interval));
    return *coordinators_.back();
  }

  Pod Register(const std::string& name, const std::string& ns = kNs,
               std::map<std::string, std::string> labels = {}) {
    const auto registered = store_->Register({.ns = ns,
                                              .name = name,
                                              .registration_id = "registration of " + name,
                                              .lease = seconds(3),
                                              .labels = std::move(labels),
                                              .coordinator = {1},
                                              .session = {1'000'000 + ++sessions_}});
    EXPECT_TRUE(registered);
    return std::get<Registered>(*registered).pod;
  }

  void Start(const NewWork& work) {
    const auto started = store_->StartWork(work);
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_EQ(started->outcome, StartOutcome::kStarted);
  }

  void Kill(const std::vector<Pod>& pods) {
    std::vector<HostedPod> dying;
    for (const Pod& pod : pods) dying.push_back({pod.incarnation, pod.session});
    ASSERT_TRUE(store_->DeclareHosted(pods.front().ns, Cause::kStreamEnded, dying));
  }

  // Pods that die together, each with as many items.
  void MassDeath(int pods, int items, const std::string& ns = kNs) {
    std::vector<Pod> dying;
    for (int i = 0; i < pods; ++i) {
      const std::string name = "doomed-" + std::to_string(i);
      dying.push_back(Register(name, ns));
      for (int item = 0; item < items; ++item) {
        Start(Assignable(ns, name + "/" + std::to_string(item), dying.back().incarnation));
      }
    }
    Kill(dying);
  }

  WorkItem Item(const std::string& key, const std::string& ns = kNs) {
    return store_->GetWork(ns, key).value();
  }

  // How many items of the namespace each owner has.
  std::map<std::string, int> Owners(const std::string& ns = kNs) {
    std::map<std::string, int> owners;
    world_.engine()->Inspect([&](const memory::Tables& tables, const auto&) {
      const memory::NamespaceRow& space = tables.namespaces.at(ns);
      for (const auto& [key, row] : space.work) {
        ++owners[space.pods.at(row.item.owner).pod.name];
      }
    });
    return owners;
  }

  // How many items have changed hands in it.
  uint64_t Claimed(const std::string& ns = kNs) {
    return world_.engine()->Inspect([&](const memory::Tables& tables, const auto&) {
      const auto& log = tables.namespaces.at(ns).log;
      return static_cast<uint64_t>(std::ranges::count_if(
          log, [](const Event& event) { return event.kind == EventKind::kWorkClaimed; }));
    });
  }

  SimulatedClock clock_;
  SimulatedScheduler scheduler_{clock_};
  MemoryDatabase world_{scheduler_};
  const std::unique_ptr<Store> store_ = world_.OpenStore(seconds(1));
  std::vector<std::unique_ptr<Coordinator>> coordinators_;
  uint64_t sessions_ = 0;
};

// P5, P11
TEST_F(AssignerTest, MassDeath_InBoundedBatchesWithPauses) {
  constexpr Duration kTransaction = milliseconds(20);
  constexpr Duration kLook = milliseconds(1);
  constexpr uint64_t kItems = 10'000;
  auto& coordinator = Add(hours(1));
  coordinator.lane.DelayAnswers(kTransaction);
  for (const char* name : {"left", "middle", "right"}) Register(name);
  ASSERT_NO_FATAL_FAILURE(MassDeath(1'000, 10));

  coordinator.assigner.Look(kNs);

  const Instant began = clock_.Now();
  Instant last{};
  uint64_t before = 0;
  const auto head = [this] { return store_->ReadBounds({kNs}).value()[0].head.seq.value; };
  const uint64_t start = head();
  while (before < kItems && clock_.Now() - began < seconds(60)) {
    scheduler_.Advance(kLook);
    const uint64_t now = head() - start;
    if (now == before) continue;
    EXPECT_LE(now - before, kLargestBatch);
    EXPECT_GE(clock_.Now() - last, 2 * kTransaction - kLook)
        << "it left others as much time as it took";
    last = clock_.Now();
    before = now;
  }
  EXPECT_EQ(Claimed(), kItems);
  // 157 batches, and no rest between them.
  EXPECT_LT(clock_.Now() - began, 158 * (2 * kTransaction + kLook));
  EXPECT_THAT(Owners(), testing::ElementsAre(testing::Pair("left", testing::AnyOf(3333, 3334)),
                                             testing::Pair("middle", testing::AnyOf(3333, 3334)),
                                             testing::Pair("right", testing::AnyOf(3333, 3334))));
}

TEST_F(AssignerTest, MassDeath_KeepsNoOtherNamespaceWaiting) {
  auto& coordinator = Add(hours(1));
  Register("survivor");
  Register("survivor", "other");
  ASSERT_NO_FATAL_FAILURE(MassDeath(10, 100));
  ASSERT_NO_FATAL_FAILURE(MassDeath(1, 1, "other"));

  coordinator.assigner.Look(kNs);
  coordinator.assigner.Look("other");

  for (int turn = 0; turn < 20 && Claimed("other") == 0; ++turn) {
    scheduler_.Advance(milliseconds(5));
  }
  EXPECT_EQ(Claimed("other"), 1U);
  EXPECT_LE(Claimed(), 2 * kLargestBatch) << "they take turns";
  scheduler_.Advance(seconds(1));
  EXPECT_EQ(Claimed(), 1'000U);
}

// What a coordinator was told while it assigned is looked at again.
TEST_F(AssignerTest, DeathDuringATransaction_IsFoundByTheNext) {
  auto& coordinator = Add(hours(1));
  Register("survivor");
  const Pod second = Register("second");
  Start(Assignable(kNs, "late", second.incarnation));
  ASSERT_NO_FATAL_FAILURE(MassDeath(1, 1));
  coordinator.lane.DelayAnswers(milliseconds(20));
  coordinator.assigner.Look(kNs);
  scheduler_.Advance(milliseconds(10));
  ASSERT_EQ(Claimed(), 1U);

  Kill({second});
  coordinator.assigner.Look(kNs);

  scheduler_.Advance(milliseconds(100));
  EXPECT_EQ(Item("late").owner_name, "survivor");
}

TEST_F(AssignerTest, Sweep_FindsWhatALostCoordinatorLeft) {
  Add();
  Register("survivor");
  ASSERT_NO_FATAL_FAILURE(MassDeath(1, 3));
  scheduler_.Advance(kUntilSwept + milliseconds(100));
  EXPECT_EQ(Owners()["survivor"], 3);
}

TEST_F(AssignerTest, Sweep_FindsWhatWasReleased) {
  Add();
  const Pod giver = Register("giver");
  Start(Assignable(kNs, "a", giver.incarnation));
  Start(Assignable(kNs, "b", giver.incarnation));
  Register("taker");
  ASSERT_TRUE(store_->ReleaseWork({kNs, "a", giver.incarnation, Item("a").fence}));
  scheduler_.Advance(kUntilSwept + milliseconds(100));
  EXPECT_EQ(Item("a").owner_name, "taker") << "who has fewer";
  EXPECT_EQ(Item("b").fence, Fence{1}) << "whose owner lives";
}

TEST_F(AssignerTest, Sweep_FindsEveryNamespace) {
  constexpr int kNamespaces = 250;
  Add();
  for (int i = 0; i < kNamespaces; ++i) {
    const std::string ns = "ns-" + std::to_string(i);
    Register("survivor", ns);
    ASSERT_NO_FATAL_FAILURE(MassDeath(1, 1, ns));
  }
  scheduler_.Advance(kUntilSwept + seconds(2));
  for (int i = 0; i < kNamespaces; ++i) EXPECT_EQ(Claimed("ns-" + std::to_string(i)), 1U) << i;
}

// What nobody may have holds up nothing, and is given at once when somebody comes who matches.
TEST_F(AssignerTest, Waiting_IsGivenToAPodThatMatchesWhenItComes) {
  Add();
  Register("cpu", kNs, {{"hardware", "cpu"}});
  const Pod owner = Register("owner", kNs, {{"hardware", "gpu"}});
  for (int i = 0; i < 100; ++i) {
    Start(Assignable(kNs, "gpu-" + std::to_string(i), owner.incarnation, {{"hardware", "gpu"}}));
  }
  Start(Assignable(kNs, "z-any", owner.incarnation));
  Kill({owner});
  scheduler_.Advance(5 * kUntilSwept);
  EXPECT_EQ(Item("z-any").owner_name, "cpu") << "it stands behind many that wait";
  EXPECT_EQ(Claimed(), 1U);

  Register("gpu", kNs, {{"hardware", "gpu"}});

  scheduler_.Advance(kUntilSwept + milliseconds(100));
  EXPECT_EQ(Owners()["gpu"], 100);
}

// P5
TEST_F(AssignerTest, SeveralCoordinators_EachItemOnce) {
  Register("left");
  Register("right");
  ASSERT_NO_FATAL_FAILURE(MassDeath(20, 30));
  for (int i = 0; i < 3; ++i) Add().lane.DelayAnswers(milliseconds(3));
  for (const auto& coordinator : coordinators_) coordinator->assigner.Look(kNs);

  scheduler_.Advance(seconds(5));

  EXPECT_EQ(Claimed(), 600U);
  EXPECT_THAT(Owners(),
              testing::ElementsAre(testing::Pair("left", 300), testing::Pair("right", 300)));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Item("doomed-" + std::to_string(i) + "/0").fence, Fence{2});
  }
}

TEST_F(AssignerTest, DatabaseAway_GoesOnAfterwards) {
  auto& coordinator = Add();
  Register("survivor");
  ASSERT_NO_FATAL_FAILURE(MassDeath(1, 1));
  coordinator.database.SetAway(true);
  coordinator.assigner.Look(kNs);
  scheduler_.Advance(10 * kUntilSwept);
  EXPECT_EQ(Claimed(), 0U);
  coordinator.database.SetAway(false);
  scheduler_.Advance(kUntilSwept + milliseconds(100));
  EXPECT_EQ(Owners()["survivor"], 1);
}

// --- In a coordinator, whose sweeps are too far apart to be of use.

class AssigningCoordinator : public testing::Test {
 protected:
  static CoordinatorSettings Settings() {
    CoordinatorSettings settings;
    settings.recovery_interval = hours(1);
    return settings;
  }

  AssigningCoordinator() {
    world_ = std::make_unique<MemoryDatabase>(cluster_.scheduler, cluster_.engine);
    store_ = world_->OpenStore(seconds(1));
  }

  void StartItem(const PodHandle& pod) {
    ASSERT_TRUE(
        store_->StartWork(Assignable(SimulatedCluster::kNamespace, "item", IncarnationOf(pod))));
  }

  std::string Owner() {
    const auto item = store_->GetWork(SimulatedCluster::kNamespace, "item");
    return item ? item->owner_name : item.error().message;
  }

  SimulatedCluster cluster_{Settings()};
  SimulatedCluster::Member& first_ = cluster_.Add();
  SimulatedCluster::Member& second_ = cluster_.Add();
  const PodHandle survivor_ = cluster_.RegisterAndBeat(second_, "survivor", Profile::kFast);
  std::unique_ptr<MemoryDatabase> world_;
  std::unique_ptr<Store> store_;
};

TEST_F(AssigningCoordinator, StrongEvidence_ItsWorkIsAssignedAtOnce) {
  const auto pod = cluster_.RegisterAndBeat(first_, "pod", Profile::kFast);
  StartItem(pod);
  cluster_.Break(first_, pod);
  cluster_.scheduler.Advance(milliseconds(100));
  EXPECT_EQ(Owner(), "survivor");
}

TEST_F(AssigningCoordinator, Leave_ItsWorkIsAssignedAtOnce) {
  const auto pod = cluster_.RegisterAndBeat(first_, "pod", Profile::kFast);
  StartItem(pod);
  first_.coordinator.conversations().Received(pod, LeaveMessage{});
  cluster_.scheduler.Advance(milliseconds(100));
  EXPECT_EQ(Owner(), "survivor");
}

TEST_F(AssigningCoordinator, WeakEvidence_ItsWorkIsAssignedAtOnce) {
  const auto pod = cluster_.RegisterAndBeat(first_, "pod", Profile::kFast);
  StartItem(pod);
  cluster_.Kill(first_);
  Duration waited{};
  while (cluster_.Look("pod").living() && waited < seconds(60)) {
    cluster_.KeepAlive(second_, {survivor_}, milliseconds(100));
    waited += milliseconds(100);
  }
  cluster_.scheduler.Advance(milliseconds(100));
  EXPECT_EQ(Owner(), "survivor");
}

TEST_F(AssigningCoordinator, Superseded_ItsWorkIsAssignedAtOnce) {
  RegisterMessage message{
      .name = "pod", .profile = Profile::kFast, .supersede_key = "a-key-that-nobody-guesses"};
  const auto pod = cluster_.BeginRegister(first_, message);
  cluster_.scheduler.Settle();
  StartItem(pod);
  ASSERT_TRUE(cluster_.Beat(first_, pod));
  const auto owned = store_->StartWork(
      Assignable(SimulatedCluster::kNamespace, "of the survivor", IncarnationOf(survivor_)));
  ASSERT_TRUE(owned);
  message.registration_id = "registration of another";
  const auto successor = cluster_.BeginRegister(second_, message);
  cluster_.scheduler.Advance(milliseconds(100));
  ASSERT_NE(successor->Last<RegisteredAnswer>(), nullptr);
  EXPECT_EQ(Owner(), "pod") << "who has fewer";
  EXPECT_EQ(store_->GetWork(SimulatedCluster::kNamespace, "item")->owner, IncarnationOf(successor));
}

}  // namespace
}  // namespace vigil
