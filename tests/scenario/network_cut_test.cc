// Networks between pods, coordinators and Postgres that fail without a word.
#include <signal.h>

#include <fstream>

#include "measured.h"
#include "scenario.h"
#include "support/network_namespace.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Fault::Kind;
using Way = Fault::Way;

const Duration kLease = FullOr(seconds(3), seconds(2));
const Duration kBound = kLease + milliseconds(500);
// Four pings without an answer.
constexpr Duration kDegraded = seconds(2);

struct NamedFault {
  const char* name;
  Kind kind;
  Way way;
};
constexpr NamedFault kFaults[] = {{"both-ways", Kind::kDrop, Way::kBoth},
                                  {"to-it", Kind::kDrop, Way::kOutwards},
                                  {"from-it", Kind::kDrop, Way::kInwards},
                                  {"half-lost", Kind::kLoseHalf, Way::kBoth},
                                  {"rejected", Kind::kReject, Way::kBoth}};

class NetworkCut : public Scenario {
 protected:
  // Fails the test when it cannot, and says what to do.
  void MakeNamespaces(size_t count) {
    while (namespaces_.size() < count) {
      auto made = NetworkNamespace::Make();
      ASSERT_TRUE(made) << made.error().message << "\n" << made.error().hint;
      namespaces_.push_back(std::move(*made));
    }
  }

  NetworkNamespace& network(size_t number) { return *namespaces_.at(number); }

 private:
  std::vector<std::unique_ptr<NetworkNamespace>> namespaces_;
};

// A pod for each fault, on a machine of its own.
class PodCut : public NetworkCut {
 protected:
  struct Pod {
    NamedFault fault;
    NetworkNamespace* network = nullptr;
    ReportingProcess* process = nullptr;
    Instant cut;
  };

  void StartPods() {
    ASSERT_NO_FATAL_FAILURE(MakeNamespaces(std::size(kFaults)));
    ASSERT_NO_FATAL_FAILURE(
        StartCluster({.machine = [](int) { return Machine{.address = kHubAddress}; }}));
    for (const NamedFault& fault : kFaults) {
      Pod pod{fault};
      pod.network = &network(pods_.size());
      pod.process = &Play({.name = fault.name,
                           .strict = true,
                           .lease = kLease,
                           .items = 1,
                           .keys = std::string(fault.name) + "-",
                           .machine = {.enter = pod.network->Enter()}});
      pods_.push_back(pod);
    }
    for (const Pod& pod : pods_) Expect(*pod.process, "ready");
  }

  // Cuts each pod off from its host, or from every coordinator.
  void Cut(bool from_all) {
    for (Pod& pod : pods_) {
      std::vector<Fault> faults;
      const int host = cluster().PlaceOf(PodNamed(pod.fault.name).coordinator);
      for (int place = 0; place < cluster().size(); ++place) {
        if (from_all || place == host) {
          faults.push_back({cluster().port(place), pod.fault.kind, pod.fault.way});
        }
      }
      pod.cut = Now();
      const auto inflicted = pod.network->Inflict(faults);
      ASSERT_TRUE(inflicted) << inflicted.error().message;
    }
  }

  // P7: what the pod knew of its lease, against what others were told.
  void ExpectLostBeforeDead(Pod& pod, const EventRecorder::Seen& died) {
    const auto lost = pod.process->Reports("lost");
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_LE(lost.front().At(), died.at);
    EXPECT_LE(pod.process->Reports("lease").back().At("until_ns"), died.at);
  }

  std::vector<Pod> pods_;
};

// P7, P9
TEST_F(PodCut, PodCutFromItsHost_MovesAndLives) {
  ASSERT_NO_FATAL_FAILURE(StartPods());

  ASSERT_NO_FATAL_FAILURE(Cut(false));

  for (Pod& pod : pods_) {
    SCOPED_TRACE(pod.fault.name);
    if (pod.fault.kind == Kind::kLoseHalf) continue;
    const auto moved = ExpectEvent("moved", Of(client::EventKind::kPodMoved, pod.fault.name));
    ExpectWithin(std::string(pod.fault.name) + ": moved", moved.at - pod.cut, kBound);
  }
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), kLease));
  for (Pod& pod : pods_) {
    SCOPED_TRACE(pod.fault.name);
    EXPECT_EQ(pod.process->Reports("lost").size(), 0U);
  }
}

// P7
TEST_F(PodCut, PodCutFromAll_IsLostBeforeItIsDead) {
  ASSERT_NO_FATAL_FAILURE(StartPods());

  ASSERT_NO_FATAL_FAILURE(Cut(true));

  for (Pod& pod : pods_) {
    SCOPED_TRACE(pod.fault.name);
    if (pod.fault.kind == Kind::kLoseHalf) continue;
    const Report lost = Expect(*pod.process, "lost");
    const auto died = ExpectEvent("died", Of(client::EventKind::kPodDied, pod.fault.name));
    ExpectLostBeforeDead(pod, died);
    ExpectWithin(std::string(pod.fault.name) + ": LOST", lost.At() - pod.cut, kLease);
    // A heartbeat may have been heard whose answer was not.
    const Duration heard = pod.fault.way == Way::kInwards ? kLease / 3 : Duration::zero();
    ExpectWithin(std::string(pod.fault.name) + ": DEAD", died.at - pod.cut,
                 heard + kBound + kLease / 100);
  }
  Pod& lossy = pods_[3];
  const auto died = log().Await(Of(client::EventKind::kPodDied, lossy.fault.name), kLease);
  if (died) ExpectLostBeforeDead(lossy, *died);
}

// Coordinators on machines of their own, cut off from Postgres in one way each, and one more that
// is not. The pods know all of them but begin with one that will be cut off.
class CoordinatorCut : public NetworkCut {
 protected:
  static constexpr NamedFault kCuts[] = {kFaults[0], kFaults[1], kFaults[2]};
  static constexpr int kHealthy = 0;  // whom the scenario itself asks
  const Duration trust_window_ = FullOr(seconds(15), seconds(4));

  void StartCut() {
    ASSERT_NO_FATAL_FAILURE(MakeNamespaces(std::size(kCuts)));
    AdmitNamespaces();
    VigilCluster::Options options;
    options.coordinators = 1 + static_cast<int>(std::size(kCuts));
    options.machine = [this](int place) {
      if (place == kHealthy) return Machine{};
      const NetworkNamespace& here = network(static_cast<size_t>(place - 1));
      return Machine{.address = here.address(), .enter = here.Enter()};
    };
    options.conninfo = [](const std::string& database, int) {
      return Postgres().Conninfo(database) + " host=" + kHubAddress;
    };
    if (!InFull()) options.settings = {"--trust-window", "4s"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  }

  // Postgres knows its own machine only.
  static void AdmitNamespaces() {
    static const bool admitted = [] {
      std::ofstream(Postgres().directory() + "/data/pg_hba.conf", std::ios::app)
          << "host all all " << kNamespaceAddresses << " scram-sha-256\n";
      return kill(Postgres().postmaster(), SIGHUP) == 0;
    }();
    ASSERT_TRUE(admitted);
  }

  ReportingProcess& StartPod(const std::string& name, std::vector<std::string> addresses) {
    return Play({.addresses = std::move(addresses),
                 .name = name,
                 .strict = true,
                 .lease = kLease,
                 .in_order = true});
  }

  Instant Cut() {
    const Instant cut = Now();
    for (size_t i = 0; i < std::size(kCuts); ++i) {
      const auto inflicted = network(i).Inflict({{Postgres().port(), kCuts[i].kind, kCuts[i].way}});
      EXPECT_TRUE(inflicted) << inflicted.error().message;
    }
    return cut;
  }
};

// P7, P9: those that know another coordinator move within seconds, and those that know none are
// LOST when theirs has nothing to grant any more.
TEST_F(CoordinatorCut,
       CoordinatorCutFromPostgres_ItsPodsMoveAndItGrantsNoLeaseAfterItsTrustWindow) {
  ASSERT_NO_FATAL_FAILURE(StartCut());
  std::vector<ReportingProcess*> free;
  std::vector<ReportingProcess*> bound;
  for (const NamedFault& fault : kCuts) {
    const int place = static_cast<int>(free.size()) + 1;
    const std::string name = fault.name;
    free.push_back(&StartPod(name, cluster().Addresses(place)));
    bound.push_back(&StartPod(name + "-bound", {cluster().address(place)}));
  }
  for (ReportingProcess* pod : free) Expect(*pod, "ready");
  for (ReportingProcess* pod : bound) Expect(*pod, "ready");

  const Instant cut = Cut();

  for (size_t i = 0; i < std::size(kCuts); ++i) {
    SCOPED_TRACE(kCuts[i].name);
    const auto moved = ExpectEvent("moved", Of(client::EventKind::kPodMoved, kCuts[i].name));
    // Until the coordinator calls its link degraded, a heartbeat that is answered so, and the move.
    ExpectWithin(std::string(kCuts[i].name) + ": moved", moved.at - cut,
                 kDegraded + kLease / 3 + milliseconds(500));
  }
  for (size_t i = 0; i < std::size(kCuts); ++i) {
    SCOPED_TRACE(kCuts[i].name);
    const std::string name = kCuts[i].name + std::string("-bound");
    const auto lost = bound[i]->Await("lost", trust_window_ + kLease + kPatience);
    ASSERT_TRUE(lost);
    const Instant lease_until = bound[i]->Reports("lease").back().At("until_ns");
    ExpectWithin(name + ": the last lease ends", lease_until - cut, trust_window_ + kLease);
    const auto died = ExpectEvent("died", Of(client::EventKind::kPodDied, name),
                                  2 * (trust_window_ + kLease) + kPatience);
    EXPECT_GE(died.at, lease_until);
    EXPECT_GE(died.at, lost->At());
    TakeDown(name + ": DEAD", died.at - cut);
  }
  // Whoever of the others had been suspected would be DEAD with these.
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied)), std::size(kCuts));
  for (ReportingProcess* pod : free) ExpectNone("LOST", pod->Reports("lost").size());
}

}  // namespace
}  // namespace vigil
