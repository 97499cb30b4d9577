// One run: the cluster of a plan, its faults, and what the checker makes of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/checker.h"
#include "sim/plan.h"

namespace vigil::sim {

// What a run is told line by line, each with its time.
using Narrator = std::function<void(const std::string&)>;

class Simulation final : public Surroundings, public Witness {
 public:
  explicit Simulation(const Plan& plan, Narrator narrator = nullptr);
  ~Simulation() override;

  // Runs it to its end, or to the first violation.
  std::optional<Violation> Run();

  // A number that two runs of the same plan have in common.
  uint64_t Fingerprint() const { return fingerprint_; }

  // The kinds of events, with their causes, that the log has, and why pods were LOST.
  const std::set<std::string>& Seen() const { return seen_; }

  // --- Surroundings
  int addresses() const override { return plan_.coordinators; }
  bool one_address() const override { return plan_.one_address; }
  SimulatedCoordinator* At(int address) override;
  Path& PathOf(int pod, int address) override;
  Instant LastTrouble(int pod, int address) const override;
  void Opened(int pod, int address, const std::shared_ptr<Connection>& connection) override;

  // --- Witness
  const SimulatedPod* PodOf(Incarnation incarnation) const override;
  const std::vector<std::shared_ptr<SimulatedPod>>& Pods() const override { return pods_; }
  const std::vector<std::shared_ptr<SimulatedCoordinator>>& Coordinators() const override {
    return coordinators_;
  }
  Instant LastTrouble(const SimulatedPod& pod, const std::string& address) const override;

 private:
  class Stranger;
  struct OpenConnection {
    int pod = 0;
    int address = 0;
    std::shared_ptr<Connection> connection;
  };

  void StartCoordinator(int address);
  void StartPod(int place);
  void Tell(const std::string& line);
  bool RunUntil(Instant end);
  // Of the processes with the name of this one the latest that still runs; else this one.
  int LatestOf(int place) const;

  // --- Faults
  void Inject(const Fault& fault);
  bool InjectIntoPod(const Fault& fault);
  bool InjectIntoCoordinator(const Fault& fault);
  bool InjectIntoNetwork(const Fault& fault);
  void InjectIntoDatabase(const Fault& fault);
  void EndPod(int place, bool silently, Duration for_so_long);
  void KillPod(int place, bool silently, Duration for_so_long);
  void DuplicatePod(int place, bool with_its_key, Duration for_so_long);
  void KillCoordinator(int address, bool silently, Duration for_so_long);
  void DrainCoordinator(int address, Duration until_restart);
  void Freeze(const std::shared_ptr<void>& owner, Machine& machine, Duration for_so_long);
  void CutPath(int pod, int address, int ways, Duration for_so_long);
  void CutDatabase(const std::shared_ptr<SimulatedCoordinator>& from, int ways,
                   Duration for_so_long);
  // To all coordinators, that the database is back.
  void TellReconnected();
  void EndSomeSession();
  void AskToResume(const Fault& fault);
  void HealAll();
  void Later(Duration delay, std::function<void()> callback) {
    time_.After(delay, std::move(callback));
  }

  const Plan plan_;
  const Narrator narrator_;
  Chance chance_;
  VirtualTime time_;
  const Instant beginning_ = time_.Now();
  DatabaseServer server_;
  Duration wall_clock_ahead_{};
  // The last fault of the database's, or between it and some coordinator, is over then.
  Instant database_heals_{};
  std::map<std::pair<int, int>, std::unique_ptr<Path>> paths_;
  Checker checker_;
  // What was started last at each address and place; what is gone stays to the end.
  std::vector<std::shared_ptr<SimulatedCoordinator>> coordinators_;
  std::vector<std::shared_ptr<SimulatedCoordinator>> former_coordinators_;
  std::vector<std::shared_ptr<SimulatedPod>> pods_;
  // Those of the plan, and those that began beside them.
  std::vector<Plan::Pod> places_ = plan_.pods;
  std::vector<std::shared_ptr<SimulatedPod>> former_pods_;
  std::vector<OpenConnection> connections_;
  std::vector<std::shared_ptr<Stranger>> strangers_;
  uint64_t started_ = 0;
  uint64_t fingerprint_ = 0;
  std::set<std::string> seen_;
};

// Drops faults one by one while the run goes on failing the same promise.
Plan Minimised(Plan plan, const std::string& promise);

}  // namespace vigil::sim
