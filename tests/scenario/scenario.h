// What every scenario has: a cluster of real processes, pods that run in it, and a subscriber that
// watches from the first event on.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "database_view.h"
#include "scripted_pod.h"
#include "support/event_recorder.h"
#include "support/reporting_process.h"
#include "support/vigil_cluster.h"
#include "vigil/work.h"

namespace vigil {

// How long to wait for what should come at once, on a machine that has much else to do. No
// promise is checked with it.
inline constexpr auto kPatience = std::chrono::seconds(20);

// What a command of `vigil run` does: it prints its item's key, its fence and a growing number,
// again and again.
std::vector<std::string> Counting();
// Another one: it has a child of its own, and both do nothing.
std::vector<std::string> WithAChild();

// G of STRICT on weak evidence: (T + L) * (1 + r).
constexpr Duration StrictGrace(Duration trust_window, Duration lease) {
  return (trust_window + lease) + (trust_window + lease) / 100;
}

// Every scenario ends with a look at its event log: whatever happened, its subscriber, and one that
// comes late, were told what stands there.   (P4, P8)
class Scenario : public ::testing::Test {
 protected:
  // Fails the test when it cannot.
  void StartCluster(VigilCluster::Options options = {}) {
    StartClusterOn(Postgres(), std::move(options));
  }
  void StartClusterOn(pg::PrivateCluster& postgres, VigilCluster::Options options);
  // Before its Postgres goes, if that is the scenario's own.
  void StopCluster();
  // From here on only this coordinator is asked and followed.
  void WatchFrom(int place);
  void TearDown() override;
  // Where the log stands that the scenario's subscriber follows.
  virtual std::string LogConninfo() const { return cluster_->Conninfo(); }

  VigilCluster& cluster() { return *cluster_; }
  EventRecorder& log() { return *log_; }
  const client::Client& client() const { return *client_; }
  // The server that the database of every scenario is on.
  static pg::PrivateCluster& Postgres();
  DatabaseView& Database() { return *database_; }

  // A pod that the scenario owns; a test without its programs ends here.
  ReportingProcess& Run(RunOptions options);
  ReportingProcess& Play(PodScript script);

  // --- Waiting for what must come; a failure when it does not.
  Report Expect(ReportingProcess& pod, const std::string& event,
                const ReportingProcess::Match& matches = nullptr);
  EventRecorder::Seen ExpectEvent(const std::string& what, const EventRecorder::Match& matches,
                                  Duration within = kPatience);
  // Waits until the pod has registered; returns its incarnation.
  client::Incarnation ExpectRegistered(ReportingProcess& pod);
  // Waits until the pod's command runs; returns its process.
  pid_t ExpectRunning(ReportingProcess& pod);
  // Waits until the command, WithAChild, has it; returns the child's process, or 0.
  pid_t ExpectChildOfCommand(ReportingProcess& pod);
  // Waits until the command of the pod prints a number for this fence.
  void ExpectCounting(ReportingProcess& pod, const std::string& key, uint64_t fence);

  // A last pod registers, and all of these hear of everything up to then.   (P8)
  void ExpectAllHeardToTheEnd(const std::vector<std::unique_ptr<EventRecorder>>& followers);

  // The log as it stands in the database now, to compare with what subscribers were told: all of
  // it, or nothing in particular.   (P8)
  enum class Told { kEverything, kAnything };
  history::Reference Truth(Told told = Told::kEverything);

  // --- As the coordinators tell it now.
  client::WorkItem Item(const std::string& key);
  client::Pod PodNamed(const std::string& name);
  // Every item as "key owner fence", to compare before and after.
  std::vector<std::string> Owners();
  // Every living pod as "name incarnation".
  std::vector<std::string> Living();

 private:
  void Watch(Result<client::Client> connected);
  ReportingProcess& Keep(Result<std::unique_ptr<ReportingProcess>> pod);

  std::unique_ptr<VigilCluster> cluster_;
  std::unique_ptr<DatabaseView> database_;
  std::optional<client::Client> client_;
  std::unique_ptr<EventRecorder> log_;
  std::vector<std::unique_ptr<ReportingProcess>> pods_;
};

}  // namespace vigil
