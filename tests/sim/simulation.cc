#include "sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace vigil::sim {
namespace {

// Followers are given so long to hear of what stands in the log.
constexpr Duration kToHear = std::chrono::seconds(10);

}  // namespace

Simulation::Simulation(const Plan& plan, Narrator narrator)
    : plan_(plan),
      narrator_(std::move(narrator)),
      chance_(plan.seed),
      checker_(plan_, time_, server_, *this) {
  server_.engine = std::make_shared<memory::Engine>(plan_.seed, memory::Engine::Threads::kOne);
  server_.engine->SetWallClock([this] {
    const Duration since = time_.Now().time_since_epoch() + wall_clock_ahead_;
    return WallMicros{static_cast<uint64_t>(since / std::chrono::microseconds(1))};
  });
  checker_.on_event = [this](const Event& event) {
    fingerprint_ = fingerprint_ * 31 + event.incarnation.value * 7 +
                   static_cast<uint64_t>((time_.Now() - beginning_).count());
    std::string what(Name(event.kind));
    if (event.cause != Cause::kNone) what += " " + std::string(Name(event.cause));
    if (narrator_) {
      Tell(fmt::format("log {}: {} {} (incarnation {}) {}", event.seq.value, what, event.pod_name,
                       event.incarnation.value, event.work_key));
    }
    seen_.insert(std::move(what));
  };
  coordinators_.resize(static_cast<size_t>(plan_.coordinators));
  pods_.resize(plan_.pods.size());
  for (int address = 0; address < plan_.coordinators; ++address) StartCoordinator(address);
  RunUntil(time_.Now() + std::chrono::seconds(1));
  for (int place = 0; place < static_cast<int>(plan_.pods.size()); ++place) StartPod(place);
}

Simulation::~Simulation() {
  for (const auto* all : {&coordinators_, &former_coordinators_}) {
    for (const auto& coordinator : *all) coordinator->Kill();
  }
  for (const auto* all : {&pods_, &former_pods_}) {
    for (const auto& pod : *all) pod->Kill();
  }
  time_.Clear();
}

std::optional<Violation> Simulation::Run() {
  for (const Fault& fault : plan_.faults) {
    time_.At(beginning_ + fault.at, {nullptr, [this, fault] { Inject(fault); }, false});
  }
  if (!RunUntil(beginning_ + plan_.length)) return checker_.violation();
  HealAll();
  if (!RunUntil(time_.Now() + plan_.rest)) return checker_.violation();
  const Seq head = checker_.Head();
  if (!RunUntil(time_.Now() + kToHear)) return checker_.violation();
  checker_.LookAtRest(head);
  return checker_.violation();
}

bool Simulation::RunUntil(Instant end) {
  while (time_.Step(end)) {
    checker_.Look();
    if (checker_.violation()) return false;
  }
  return true;
}

void Simulation::Tell(const std::string& line) {
  if (!narrator_) return;
  const double at = std::chrono::duration<double>(time_.Now() - beginning_).count();
  narrator_(fmt::format("{:8.3f} s  {}", at, line));
}

// --- The cluster

void Simulation::StartCoordinator(int address) {
  auto& coordinator = coordinators_[static_cast<size_t>(address)];
  if (coordinator) former_coordinators_.push_back(coordinator);
  coordinator = std::make_shared<SimulatedCoordinator>(SimulatedCoordinator::Place{
      time_, server_, "coordinator-" + std::to_string(address), plan_.settings,
      chance_.For(1000 + ++started_),
      [this](SessionNumber session, SessionMoment moment) { checker_.Saw(session, moment); },
      plan_.wake_ups});
}

void Simulation::StartPod(int place) {
  auto& pod = pods_[static_cast<size_t>(place)];
  if (pod) former_pods_.push_back(pod);
  pod = std::make_shared<SimulatedPod>(SimulatedPod::Place{
      time_, *this, place, places_[static_cast<size_t>(place)], chance_.For(1000 + ++started_),
      [this](const history::History& told) { checker_.Judge(told, {}); },
      [this](const SimulatedPod& lost) {
        seen_.insert("LOST " + std::string(client::Name(lost.life()->why()->reason)));
        checker_.Lost(lost);
      },
      [this](const WorkRequest& request) { checker_.Asked(request); }});
}

SimulatedCoordinator* Simulation::At(int address) {
  const auto& coordinator = coordinators_[static_cast<size_t>(address)];
  return coordinator->machine().dead() ? nullptr : coordinator.get();
}

Path& Simulation::PathOf(int pod, int address) {
  auto& path = paths_[{pod, address}];
  if (!path) {
    const auto number = 100 * static_cast<uint64_t>(pod) + static_cast<uint64_t>(address);
    path = std::make_unique<Path>(time_, chance_.For(100000 + number));
  }
  return *path;
}

void Simulation::Opened(int pod, int address, const std::shared_ptr<Connection>& connection) {
  std::erase_if(connections_, [](const auto& one) { return one.connection->over(); });
  connections_.push_back({pod, address, connection});
}

const SimulatedPod* Simulation::PodOf(Incarnation incarnation) const {
  for (const auto& pod : pods_) {
    if (pod && pod->LifeOf(incarnation)) return pod.get();
  }
  return nullptr;
}

int Simulation::LatestOf(int place) const {
  const std::string& name = places_[static_cast<size_t>(place)].name;
  for (size_t i = pods_.size(); i-- > 0;) {
    if (places_[i].name == name && !pods_[i]->gone()) return static_cast<int>(i);
  }
  return place;
}

Instant Simulation::LastTrouble(int pod, int address) const {
  const Machine& machine = pods_[static_cast<size_t>(pod)]->machine();
  const Machine& host = coordinators_[static_cast<size_t>(address)]->machine();
  const Instant last = std::max({machine.LastFrozenLongerThan(Duration::zero()),
                                 host.LastFrozenLongerThan(Duration::zero()), database_heals_});
  const auto path = paths_.find({pod, address});
  return std::min(time_.Now(),
                  path == paths_.end() ? last : std::max(last, path->second->last_trouble()));
}

Instant Simulation::LastTrouble(const SimulatedPod& pod, const std::string& address) const {
  Instant last = pod.machine().LastFrozenLongerThan(Duration::zero());
  last = std::min(last, time_.Now());
  for (int i = 0; i < plan_.coordinators; ++i) {
    if (coordinators_[static_cast<size_t>(i)]->address() != address) continue;
    const auto path = paths_.find({pod.place(), i});
    if (path != paths_.end()) last = std::max(last, path->second->last_trouble());
  }
  return last;
}

// --- From a failure to what it needs

Plan Minimised(Plan plan, const std::string& promise) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t i = plan.faults.size(); i-- > 0;) {
      Plan without = plan;
      without.faults.erase(without.faults.begin() + static_cast<std::ptrdiff_t>(i));
      const auto violation = Simulation(without).Run();
      if (!violation || violation->promise != promise) continue;
      plan = std::move(without);
      smaller = true;
    }
  }
  return plan;
}

}  // namespace vigil::sim
