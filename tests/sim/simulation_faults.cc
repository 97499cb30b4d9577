// What goes wrong in a run.
#include <algorithm>
#include <utility>

#include "sim/simulation.h"

namespace vigil::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTowards = 1;
constexpr int kBack = 2;
// Where strangers are.
constexpr int kNobody = -1;
constexpr char kKeyOfAnother[] = "key-of-another";
constexpr Duration kPatienceOfDrains = seconds(5);

}  // namespace

// Somebody who speaks to a coordinator without being a pod.
class Simulation::Stranger final : public PodEnd {
 public:
  Stranger(Simulation& simulation, const std::string& name, uint64_t number)
      : machine(simulation.time_, name, simulation.chance_.For(number)), simulation_(simulation) {}

  void Heard(const HostMessage& message) override {
    const bool resumed = std::holds_alternative<ResumedAnswer>(message);
    if (resumed && forged) {
      simulation_.checker_.Violate("P1", "a resume with a forged token was accepted");
    }
  }
  void Ended(const std::optional<Error>&) override {}

  Machine machine;
  bool forged = true;
  std::shared_ptr<Connection> connection;

 private:
  Simulation& simulation_;
};

void Simulation::Inject(const Fault& fault) {
  Tell("fault: " + Describe(fault));
  Fault now = fault;
  now.pod = LatestOf(fault.pod);
  if (InjectIntoPod(now) || InjectIntoCoordinator(now) || InjectIntoNetwork(now)) return;
  InjectIntoDatabase(now);
}

// --- Pods

bool Simulation::InjectIntoPod(const Fault& fault) {
  const auto pod = pods_[static_cast<size_t>(fault.pod)];
  switch (fault.kind) {
    case FaultKind::kKillPod:
      KillPod(fault.pod, false, fault.lasts);
      return true;
    case FaultKind::kLosePod:
      KillPod(fault.pod, true, fault.lasts);
      return true;
    case FaultKind::kFreezePod:
      Freeze(pod, pod->machine(), fault.lasts);
      return true;
    case FaultKind::kHangPod:
      pod->Hang();
      Later(fault.lasts, [pod] { pod->GoOn(); });
      return true;
    case FaultKind::kStallFollower:
      pod->StallFollower();
      Later(fault.lasts, [pod] { pod->LetFollowerRead(); });
      return true;
    case FaultKind::kDuplicatePod:
      DuplicatePod(fault.pod, fault.ways != 1, fault.lasts);
      return true;
    case FaultKind::kReplacePod:
      KillPod(fault.pod, true, fault.lasts);
      DuplicatePod(fault.pod, true, fault.lasts);
      return true;
    case FaultKind::kPodLeaves:
      pod->Leave();
      Later(fault.lasts + seconds(1), [this, place = fault.pod] { KillPod(place, false, {}); });
      return true;
    case FaultKind::kForgedResume:
    case FaultKind::kSecondResume:
      AskToResume(fault);
      return true;
    default:
      return false;
  }
}

void Simulation::EndPod(int place, bool silently, Duration for_so_long) {
  if (silently) {
    for (int address = 0; address < plan_.coordinators; ++address) {
      CutPath(place, address, kTowards | kBack, for_so_long);
    }
  }
  pods_[static_cast<size_t>(place)]->Kill();
  for (const auto& open : connections_) {
    if (open.pod == place) open.connection->PodGone(silently);
  }
  std::erase_if(connections_, [&](const auto& open) { return open.pod == place; });
}

// `for_so_long`: until another process takes the place.
void Simulation::KillPod(int place, bool silently, Duration for_so_long) {
  const auto pod = pods_[static_cast<size_t>(place)];
  if (pod->machine().dead()) return;
  EndPod(place, silently, for_so_long);
  // Some never come back; no duplicate does.
  if (chance_.OneIn(4) || place >= static_cast<int>(plan_.pods.size())) return;
  Later(for_so_long + milliseconds(1), [this, place, pod] {
    if (pods_[static_cast<size_t>(place)] == pod) StartPod(place);
  });
}

// One that cannot supersede those of its name waits for it in vain, for so long.
void Simulation::DuplicatePod(int place, bool with_its_key, Duration for_so_long) {
  Plan::Pod wanted = places_[static_cast<size_t>(place)];
  if (!with_its_key) wanted.supersede_key = kKeyOfAnother;
  const std::string& key = wanted.supersede_key;
  const bool supersedes = !key.empty() && key != kKeyOfAnother;
  const int duplicate = static_cast<int>(pods_.size());
  places_.push_back(std::move(wanted));
  pods_.emplace_back();
  StartPod(duplicate);
  if (supersedes) return;
  Later(for_so_long, [this, duplicate] { EndPod(duplicate, false, {}); });
}

void Simulation::Freeze(const std::shared_ptr<void>& owner, Machine& machine,
                        Duration for_so_long) {
  machine.Freeze();
  Later(for_so_long, [owner, &machine] { machine.GoOn(); });
}

void Simulation::AskToResume(const Fault& fault) {
  const auto& pod = pods_[static_cast<size_t>(fault.pod)];
  const PodLife* life = pod->machine().dead() ? nullptr : pod->life();
  SimulatedCoordinator* host = At(fault.coordinator);
  if (!life || !life->incarnation() || !host) return;
  const bool forged = fault.kind == FaultKind::kForgedResume;
  if (!forged) checker_.Exempt(life->incarnation());
  auto stranger = std::make_shared<Stranger>(*this, "stranger", 200000 + strangers_.size());
  stranger->forged = forged;
  Path& path = PathOf(kNobody, fault.coordinator);
  stranger->connection = std::make_shared<Connection>(
      time_, path, Connection::Ends{stranger->machine, stranger, &host->machine(), host},
      chance_.For(300000 + strangers_.size()));
  strangers_.push_back(stranger);
  Opened(kNobody, fault.coordinator, stranger->connection);
  const std::string token = forged ? "token-of-another" : life->token();
  stranger->connection->Say(ResumeMessage{kNamespace, life->incarnation(), token});
}

// --- Coordinators

bool Simulation::InjectIntoCoordinator(const Fault& fault) {
  const auto& coordinator = coordinators_[static_cast<size_t>(fault.coordinator)];
  switch (fault.kind) {
    case FaultKind::kKillCoordinator:
      KillCoordinator(fault.coordinator, false, fault.lasts);
      return true;
    case FaultKind::kLoseCoordinator:
      KillCoordinator(fault.coordinator, true, fault.lasts);
      return true;
    case FaultKind::kFreezeCoordinator:
      Freeze(coordinator, coordinator->machine(), fault.lasts);
      return true;
    case FaultKind::kDrainCoordinator:
      DrainCoordinator(fault.coordinator, fault.lasts);
      return true;
    case FaultKind::kRollingRestart:
      for (int address = 0; address < plan_.coordinators; ++address) {
        Later(address * kOneByOne,
              [this, address] { DrainCoordinator(address, milliseconds(200)); });
      }
      return true;
    case FaultKind::kLoseMachine:
      KillPod(fault.pod, true, fault.lasts);
      KillCoordinator(fault.coordinator, true, fault.lasts);
      return true;
    default:
      return false;
  }
}

void Simulation::KillCoordinator(int address, bool silently, Duration for_so_long) {
  const auto coordinator = coordinators_[static_cast<size_t>(address)];
  if (coordinator->machine().dead()) return;
  if (silently) {
    coordinator->route().requests_cut = true;
    coordinator->route().answers_cut = true;
    for (int pod = 0; pod < static_cast<int>(pods_.size()); ++pod) {
      CutPath(pod, address, kTowards | kBack, for_so_long);
    }
  }
  coordinator->Kill();
  for (const auto& open : connections_) {
    if (open.address == address) open.connection->HostGone(silently);
  }
  for (const auto& pod : pods_) {
    if (!silently && pod->follower().address() == address) pod->BreakFollower();
  }
  Later(for_so_long + milliseconds(1), [this, address, coordinator] {
    if (coordinators_[static_cast<size_t>(address)] == coordinator) StartCoordinator(address);
  });
}

void Simulation::DrainCoordinator(int address, Duration until_restart) {
  const auto& coordinator = coordinators_[static_cast<size_t>(address)];
  coordinator->Drain(kPatienceOfDrains, [this, address, until_restart] {
    Later(Duration::zero(),
          [this, address, until_restart] { KillCoordinator(address, false, until_restart); });
  });
}

// --- The network

bool Simulation::InjectIntoNetwork(const Fault& fault) {
  Path& path = PathOf(fault.pod, fault.coordinator);
  switch (fault.kind) {
    case FaultKind::kCutPath:
      CutPath(fault.pod, fault.coordinator, fault.ways, fault.lasts);
      return true;
    case FaultKind::kCutPod:
      for (int address = 0; address < plan_.coordinators; ++address) {
        CutPath(fault.pod, address, fault.ways, fault.lasts);
      }
      return true;
    case FaultKind::kSlowPath:
      path.Slow(chance_.Between(milliseconds(10), milliseconds(1500)));
      Later(fault.lasts, [&path] { path.Slow(Duration::zero()); });
      return true;
    case FaultKind::kBreakStreams:
      for (const auto& open : connections_) {
        if (open.pod == fault.pod) open.connection->Break();
      }
      pods_[static_cast<size_t>(fault.pod)]->BreakFollower();
      return true;
    default:
      return false;
  }
}

void Simulation::CutPath(int pod, int address, int ways, Duration for_so_long) {
  Path& path = PathOf(pod, address);
  for (const Way way : {kToCoordinator, kToPod}) {
    if ((ways & (way == kToCoordinator ? kTowards : kBack)) == 0) continue;
    path.Cut(way);
    Later(for_so_long, [&path, way] { path.Heal(way); });
  }
}

// --- The database

void Simulation::InjectIntoDatabase(const Fault& fault) {
  const auto coordinator = coordinators_[static_cast<size_t>(fault.coordinator)];
  DatabaseRoute& route = coordinator->route();
  database_heals_ = std::max(database_heals_, time_.Now() + fault.lasts);
  switch (fault.kind) {
    case FaultKind::kCutDatabase:
      CutDatabase(coordinator, fault.ways, fault.lasts);
      return;
    case FaultKind::kLoseCommitAnswer:
      route.lose_next_answer = (fault.ways & 1) != 0 ? memory::LostAnswer::kCommitted
                                                     : memory::LostAnswer::kNotCommitted;
      return;
    case FaultKind::kEndSession:
      EndSomeSession();
      return;
    case FaultKind::kEndOwnSession:
      route.own_session_ends_at_probe = true;
      Later(fault.lasts, [coordinator] { coordinator->route().own_session_ends_at_probe = false; });
      return;
    case FaultKind::kDatabaseAway:
      server_.down = true;
      server_.engine->Restart();
      Later(fault.lasts, [this] {
        server_.down = false;
        TellReconnected();
      });
      return;
    case FaultKind::kDatabaseUnreachable:
      for (const auto& each : coordinators_) CutDatabase(each, kTowards | kBack, fault.lasts);
      return;
    case FaultKind::kSplitBrain:
      route.former_primary = true;
      server_.engine->Restart();
      Later(fault.lasts, [coordinator] {
        coordinator->route().former_primary = false;
        coordinator->Reconnected();
      });
      return;
    case FaultKind::kWallClockJumps:
      wall_clock_ahead_ += chance_.OneIn(2) ? std::chrono::hours(1) : -std::chrono::minutes(30);
      return;
    default:  // a restart, or a failover that loses nothing
      server_.engine->Restart();
      TellReconnected();
      return;
  }
}

void Simulation::CutDatabase(const std::shared_ptr<SimulatedCoordinator>& from, int ways,
                             Duration for_so_long) {
  from->route().requests_cut = (ways & kTowards) != 0;
  from->route().answers_cut = (ways & kBack) != 0;
  Later(for_so_long, [from] {
    from->route().requests_cut = from->route().answers_cut = false;
    from->Reconnected();
  });
}

void Simulation::TellReconnected() {
  for (const auto& coordinator : coordinators_) coordinator->Reconnected();
}

void Simulation::EndSomeSession() {
  std::vector<Backend> sessions;
  for (const auto& [backend, machine] : server_.clients) {
    if (!machine->dead()) sessions.push_back(backend);
  }
  if (sessions.empty()) return;
  // The latest are the likeliest to be still there.
  const size_t recent = std::min<size_t>(sessions.size(), 9);
  const auto back = static_cast<size_t>(chance_.Below(static_cast<int>(recent)));
  server_.engine->EndSession(sessions[sessions.size() - 1 - back]);
}

void Simulation::HealAll() {
  Tell("all is healed");
  server_.down = false;
  database_heals_ = time_.Now();
  for (const auto& [between, path] : paths_) {
    path->Heal(kToCoordinator);
    path->Heal(kToPod);
    path->Slow(Duration::zero());
  }
  for (int address = 0; address < plan_.coordinators; ++address) {
    if (!At(address)) StartCoordinator(address);
    SimulatedCoordinator& coordinator = *At(address);
    coordinator.machine().GoOn();
    coordinator.route() = {};
    coordinator.Reconnected();
  }
  for (const auto& pod : pods_) {
    pod->machine().GoOn();
    pod->GoOn();
  }
}

}  // namespace vigil::sim
