// Coordinators that do what a test says: real gRPC servers with a made-up cluster behind them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/v1/errors.pb.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace vigil::client {

// An error status as a coordinator sends it.
grpc::Status Refusal(grpc::StatusCode code, v1::ErrorReason reason, const std::string& message,
                     std::map<std::string, std::string> metadata = {});

// What all coordinators of one test agree on, as if it stood in a database. Knows one namespace.
//
// Thread safety: everything may be called from any thread.
class Cluster {
 public:
  // How leases are counted. Short, so that a test sees one end.
  v1::LeaseTerms terms;

  Cluster();

  v1::Pod Register(const v1::Register& request, std::uint64_t coordinator);
  std::optional<v1::Pod> Resume(const v1::Resume& request, std::uint64_t coordinator);
  // DEAD or LEFT; its event comes with it.
  void End(std::uint64_t incarnation, v1::PodState state);
  std::optional<v1::Pod> Find(std::uint64_t incarnation) const;
  std::optional<v1::Pod> FindByName(const std::string& name) const;
  // Of the last registration that began an incarnation.
  std::string supersede_key() const;

  // The rules of work, as far as the tests of the client need them.
  grpc::Status Start(const v1::StartWorkRequest& request, v1::StartWorkResponse& response);
  grpc::Status Claim(const v1::ClaimWorkRequest& request, v1::ClaimWorkResponse& response);
  grpc::Status Complete(const v1::CompleteWorkRequest& request, v1::CompleteWorkResponse& response);
  grpc::Status Release(const v1::ReleaseWorkRequest& request, v1::ReleaseWorkResponse& response);
  grpc::Status Checkpoint(const v1::CheckpointWorkRequest& request,
                          v1::CheckpointWorkResponse& response);
  grpc::Status ClaimOrphans(const v1::ClaimOrphansRequest& request,
                            v1::ClaimOrphansResponse& response);
  // Gives an item to a pod, as coordinators assign it.
  void Assign(const std::string& key, std::uint64_t incarnation);
  grpc::Status Fail(const v1::FailWorkRequest& request, v1::FailWorkResponse& response);
  grpc::Status Transfer(const v1::TransferWorkRequest& request, v1::TransferWorkResponse& response);
  grpc::Status ReleaseQuarantined(const v1::ReleaseQuarantinedWorkRequest& request,
                                  v1::ReleaseQuarantinedWorkResponse& response);
  grpc::Status Get(const v1::GetWorkRequest& request, v1::GetWorkResponse& response);
  // Of one page.
  grpc::Status List(const v1::ListWorkRequest& request, v1::ListWorkResponse& response);
  std::optional<v1::WorkItem> FindItem(const std::string& key) const;

  void Append(v1::Event event);
  std::uint64_t head() const;
  // Waits for the events after `seq`, at most for `wait`.
  std::vector<v1::Event> EventsAfter(std::uint64_t seq, Duration wait);
  std::vector<v1::Pod> LivingPods() const;

  // Waits until the condition holds, which is asked again after every change; false after 10 s.
  bool Await(const std::function<bool()>& holds) const;
  // Something that a condition may look at has changed.
  void Changed() const;

 private:
  bool Lives(std::uint64_t incarnation) const;
  grpc::Status RefuseUnlessHeld(const std::string& key, std::uint64_t incarnation,
                                std::uint64_t fence) const;
  void FillIn(v1::WorkItem& item) const;
  void GiveLocked(v1::WorkItem& item, std::uint64_t incarnation);
  void AppendLocked(v1::Event event);

  mutable std::recursive_mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<std::uint64_t, v1::Pod> pods_;
  std::map<std::string, std::uint64_t> registrations_;
  std::string supersede_key_;
  std::map<std::string, v1::WorkItem> items_;
  std::vector<v1::Event> log_;
  std::uint64_t last_incarnation_ = 0;
  std::uint64_t last_session_ = 0;
};

// One coordinator of the cluster, on a port of its own. Behaves, unless a test tells it otherwise.
class ScriptedCoordinator {
 public:
  ScriptedCoordinator(Cluster& cluster, std::uint64_t number);
  ~ScriptedCoordinator();

  std::string address() const;
  std::uint64_t number() const { return number_; }

  // As if the process were killed: all connections break, and new ones are refused.
  void Kill();
  // Cancels the streams that are open now.
  void BreakStreams();
  // Tells every pod on it that it is about to stop.
  void AnnounceDraining();

  // What a test changes. Set them before or while streams run.
  struct Script {
    // The answer to every `Register` and `Resume`.
    std::optional<grpc::Status> refuse_sessions;
    // The next so many sessions are taken and the answer is lost.
    int lose_answers = 0;
    // The next so many registrations are taken and never answered, on a stream that stays open.
    int swallow_registrations = 0;
    // What a swallowed registration made is declared dead, as a coordinator does a lease later.
    bool end_swallowed = false;
    // As if the process were stopped: nothing that arrives is answered, or even read.
    bool stalled = false;
    // The next so many registrations and resumes are not answered at all.
    int ignore_sessions = 0;
    bool answer_heartbeats = true;
    bool grant_leases = true;
    bool link_degraded = false;
    bool answer_leaves = true;
    // What positions say.
    Duration read_age{};
    // Before the answer to a registration.
    Duration delay_registration{};
    // The answer to every unary call; called with the method's name.
    std::function<grpc::Status(const std::string& method)> refuse_call;
    // Instead of following the log.
    std::function<grpc::Status(const v1::SubscribeRequest&,
                               grpc::ServerWriter<v1::SubscribeResponse>&, grpc::ServerContext&)>
        subscribe;
  };
  void Change(const std::function<void(Script&)>& change);

  // What it answers when it is asked for the health of its pod registry: SERVING until then.
  void TakePodsIn(bool takes);
  // The same of its event log.
  void ReadTheLog(bool reads);

  // What arrived: "register", "resume", "heartbeat", "leave", "detach", "subscribe", and the names
  // of unary methods.
  int Count(const std::string& what) const;
  int CallsOf(const std::string& method) const { return Count(method); }
  std::vector<std::string> registration_ids() const;
  std::vector<v1::SubscribeRequest> subscribe_requests() const;
  std::vector<v1::StartWorkRequest> start_requests() const;
  std::vector<v1::CheckpointWorkRequest> checkpoint_requests() const;
  std::vector<v1::ClaimOrphansRequest> claim_orphans_requests() const;

 private:
  class Pods;
  class Events;
  class Work;
  using Stream = grpc::ServerReaderWriter<v1::SessionResponse, v1::SessionRequest>;

  Script script() const;
  void Note(const std::string& what);
  template <class Request>
  void Keep(std::vector<Request>& requests, const Request& request) {
    std::lock_guard lock(mutex_);
    requests.push_back(request);
  }
  void WaitWhileStalled() const;
  static grpc::Status Ignore(Stream& stream);
  grpc::Status HostSession(grpc::ServerContext& context, Stream& stream);
  grpc::Status Converse(Stream& stream, std::uint64_t incarnation);
  grpc::Status Follow(const v1::SubscribeRequest& request,
                      grpc::ServerWriter<v1::SubscribeResponse>& writer,
                      grpc::ServerContext& context);
  grpc::Status Unary(const std::string& method, const std::function<grpc::Status()>& answer);

  Cluster& cluster_;
  const std::uint64_t number_;
  int port_ = 0;
  mutable std::mutex mutex_;
  Script script_;
  std::multiset<std::string> journal_;
  std::vector<std::string> registration_ids_;
  std::vector<v1::SubscribeRequest> subscribe_requests_;
  std::vector<v1::StartWorkRequest> start_requests_;
  std::vector<v1::CheckpointWorkRequest> checkpoint_requests_;
  std::vector<v1::ClaimOrphansRequest> claim_orphans_requests_;
  std::set<grpc::ServerContext*> contexts_;
  std::set<Stream*> streams_;
  std::unique_ptr<Pods> pods_;
  std::unique_ptr<Events> events_;
  std::unique_ptr<Work> work_;
  std::unique_ptr<grpc::Server> server_;
};

// To these, in this order.
Client Connect(std::initializer_list<ScriptedCoordinator*> coordinators,
               Client::Options options = {});

}  // namespace vigil::client
