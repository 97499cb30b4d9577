#include "client/scripted_coordinator.h"

#include "convert.h"

#include <grpcpp/health_check_service_interface.h>

namespace vigil::client {
namespace {

// How often a server thread that waits for events looks whether its client is gone.
constexpr auto kLook = std::chrono::milliseconds(20);
// How often a follower gets a position when nothing happens.
constexpr auto kPositionInterval = std::chrono::milliseconds(200);

// Puts something into a set for as long as it lives.
template <class T>
class Listed {
 public:
  Listed(std::mutex& mutex, std::set<T*>& set, T* entry) : mutex_(mutex), set_(set), entry_(entry) {
    std::lock_guard lock(mutex_);
    set_.insert(entry_);
  }
  ~Listed() {
    std::lock_guard lock(mutex_);
    set_.erase(entry_);
  }

 private:
  std::mutex& mutex_;
  std::set<T*>& set_;
  T* const entry_;
};

}  // namespace

class ScriptedCoordinator::Pods final : public v1::PodRegistryService::Service {
 public:
  explicit Pods(ScriptedCoordinator& self) : self_(self) {}

  grpc::Status Session(grpc::ServerContext* context, Stream* stream) override {
    const Listed listed(self_.mutex_, self_.contexts_, context);
    return self_.HostSession(*context, *stream);
  }
  grpc::Status GetPod(grpc::ServerContext*, const v1::GetPodRequest* request,
                      v1::GetPodResponse* response) override {
    return self_.Unary("GetPod", [&] {
      const auto pod = self_.cluster_.FindByName(request->name());
      if (!pod)
        return Refusal(grpc::StatusCode::NOT_FOUND, v1::ERROR_REASON_POD_NOT_FOUND, "no such pod");
      *response->mutable_pod() = *pod;
      return grpc::Status::OK;
    });
  }
  grpc::Status ListPods(grpc::ServerContext*, const v1::ListPodsRequest*,
                        v1::ListPodsResponse* response) override {
    return self_.Unary("ListPods", [&] {
      for (auto& pod : self_.cluster_.LivingPods()) *response->add_pods() = std::move(pod);
      return grpc::Status::OK;
    });
  }

 private:
  ScriptedCoordinator& self_;
};

class ScriptedCoordinator::Events final : public v1::PodEventService::Service {
 public:
  explicit Events(ScriptedCoordinator& self) : self_(self) {}

  grpc::Status Subscribe(grpc::ServerContext* context, const v1::SubscribeRequest* request,
                         grpc::ServerWriter<v1::SubscribeResponse>* writer) override {
    const Listed listed(self_.mutex_, self_.contexts_, context);
    {
      std::lock_guard lock(self_.mutex_);
      self_.subscribe_requests_.push_back(*request);
    }
    self_.Note("subscribe");
    const auto scripted = self_.script().subscribe;
    return scripted ? scripted(*request, *writer, *context)
                    : self_.Follow(*request, *writer, *context);
  }

 private:
  ScriptedCoordinator& self_;
};

class ScriptedCoordinator::Work final : public v1::WorkService::Service {
 public:
  explicit Work(ScriptedCoordinator& self) : self_(self) {}

  grpc::Status StartWork(grpc::ServerContext*, const v1::StartWorkRequest* request,
                         v1::StartWorkResponse* response) override {
    self_.Keep(self_.start_requests_, *request);
    return self_.Unary("StartWork", [&] { return self_.cluster_.Start(*request, *response); });
  }
  grpc::Status CheckpointWork(grpc::ServerContext*, const v1::CheckpointWorkRequest* request,
                              v1::CheckpointWorkResponse* response) override {
    self_.Keep(self_.checkpoint_requests_, *request);
    return self_.Unary("CheckpointWork",
                       [&] { return self_.cluster_.Checkpoint(*request, *response); });
  }
  grpc::Status ClaimWork(grpc::ServerContext*, const v1::ClaimWorkRequest* request,
                         v1::ClaimWorkResponse* response) override {
    return self_.Unary("ClaimWork", [&] { return self_.cluster_.Claim(*request, *response); });
  }
  grpc::Status CompleteWork(grpc::ServerContext*, const v1::CompleteWorkRequest* request,
                            v1::CompleteWorkResponse* response) override {
    return self_.Unary("CompleteWork",
                       [&] { return self_.cluster_.Complete(*request, *response); });
  }
  grpc::Status ReleaseWork(grpc::ServerContext*, const v1::ReleaseWorkRequest* request,
                           v1::ReleaseWorkResponse* response) override {
    return self_.Unary("ReleaseWork", [&] { return self_.cluster_.Release(*request, *response); });
  }
  grpc::Status FailWork(grpc::ServerContext*, const v1::FailWorkRequest* request,
                        v1::FailWorkResponse* response) override {
    return self_.Unary("FailWork", [&] { return self_.cluster_.Fail(*request, *response); });
  }
  grpc::Status TransferWork(grpc::ServerContext*, const v1::TransferWorkRequest* request,
                            v1::TransferWorkResponse* response) override {
    return self_.Unary("TransferWork",
                       [&] { return self_.cluster_.Transfer(*request, *response); });
  }
  grpc::Status ClaimOrphans(grpc::ServerContext*, const v1::ClaimOrphansRequest* request,
                            v1::ClaimOrphansResponse* response) override {
    self_.Keep(self_.claim_orphans_requests_, *request);
    return self_.Unary("ClaimOrphans",
                       [&] { return self_.cluster_.ClaimOrphans(*request, *response); });
  }
  grpc::Status ReleaseQuarantinedWork(grpc::ServerContext*,
                                      const v1::ReleaseQuarantinedWorkRequest* request,
                                      v1::ReleaseQuarantinedWorkResponse* response) override {
    return self_.Unary("ReleaseQuarantinedWork",
                       [&] { return self_.cluster_.ReleaseQuarantined(*request, *response); });
  }
  grpc::Status GetWork(grpc::ServerContext*, const v1::GetWorkRequest* request,
                       v1::GetWorkResponse* response) override {
    return self_.Unary("GetWork", [&] { return self_.cluster_.Get(*request, *response); });
  }
  grpc::Status ListWork(grpc::ServerContext*, const v1::ListWorkRequest* request,
                        v1::ListWorkResponse* response) override {
    return self_.Unary("ListWork", [&] { return self_.cluster_.List(*request, *response); });
  }

 private:
  ScriptedCoordinator& self_;
};

ScriptedCoordinator::ScriptedCoordinator(Cluster& cluster, std::uint64_t number)
    : cluster_(cluster),
      number_(number),
      pods_(std::make_unique<Pods>(*this)),
      events_(std::make_unique<Events>(*this)),
      work_(std::make_unique<Work>(*this)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(pods_.get());
  builder.RegisterService(events_.get());
  builder.RegisterService(work_.get());
  server_ = builder.BuildAndStart();
  TakePodsIn(true);
  ReadTheLog(true);
}

ScriptedCoordinator::~ScriptedCoordinator() { Kill(); }

void ScriptedCoordinator::TakePodsIn(bool takes) {
  server_->GetHealthCheckService()->SetServingStatus("vigil.v1.PodRegistryService", takes);
}

void ScriptedCoordinator::ReadTheLog(bool reads) {
  server_->GetHealthCheckService()->SetServingStatus("vigil.v1.PodEventService", reads);
}

std::string ScriptedCoordinator::address() const { return "127.0.0.1:" + std::to_string(port_); }

void ScriptedCoordinator::Kill() {
  if (!server_) return;
  BreakStreams();
  server_->Shutdown(gpr_time_0(GPR_CLOCK_REALTIME));
  server_.reset();
}

void ScriptedCoordinator::BreakStreams() {
  std::lock_guard lock(mutex_);
  for (grpc::ServerContext* context : contexts_) context->TryCancel();
}

void ScriptedCoordinator::AnnounceDraining() {
  v1::SessionResponse response;
  response.mutable_draining();
  std::lock_guard lock(mutex_);
  for (Stream* stream : streams_) stream->Write(response);
}

void ScriptedCoordinator::Change(const std::function<void(Script&)>& change) {
  std::lock_guard lock(mutex_);
  change(script_);
}

ScriptedCoordinator::Script ScriptedCoordinator::script() const {
  std::lock_guard lock(mutex_);
  return script_;
}

void ScriptedCoordinator::Note(const std::string& what) {
  {
    std::lock_guard lock(mutex_);
    journal_.insert(what);
  }
  cluster_.Changed();
}

int ScriptedCoordinator::Count(const std::string& what) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(journal_.count(what));
}

std::vector<std::string> ScriptedCoordinator::registration_ids() const {
  std::lock_guard lock(mutex_);
  return registration_ids_;
}

std::vector<v1::SubscribeRequest> ScriptedCoordinator::subscribe_requests() const {
  std::lock_guard lock(mutex_);
  return subscribe_requests_;
}

std::vector<v1::StartWorkRequest> ScriptedCoordinator::start_requests() const {
  std::lock_guard lock(mutex_);
  return start_requests_;
}

std::vector<v1::CheckpointWorkRequest> ScriptedCoordinator::checkpoint_requests() const {
  std::lock_guard lock(mutex_);
  return checkpoint_requests_;
}

std::vector<v1::ClaimOrphansRequest> ScriptedCoordinator::claim_orphans_requests() const {
  std::lock_guard lock(mutex_);
  return claim_orphans_requests_;
}

grpc::Status ScriptedCoordinator::Unary(const std::string& method,
                                        const std::function<grpc::Status()>& answer) {
  Note(method);
  if (const auto refuse = script().refuse_call) {
    if (grpc::Status status = refuse(method); !status.ok()) return status;
  }
  grpc::Status status = answer();
  Note(method + " answered");
  return status;
}

void ScriptedCoordinator::WaitWhileStalled() const {
  cluster_.Await([this] { return !script().stalled; });
}

// Says nothing, whatever it hears, until the stream ends.
grpc::Status ScriptedCoordinator::Ignore(Stream& stream) {
  for (v1::SessionRequest request; stream.Read(&request);) {
  }
  return grpc::Status::CANCELLED;
}

grpc::Status ScriptedCoordinator::HostSession(grpc::ServerContext& context, Stream& stream) {
  v1::SessionRequest first;
  if (!stream.Read(&first)) return grpc::Status::CANCELLED;
  Note(first.has_register_() ? "register" : "resume");
  WaitWhileStalled();
  const auto taken_from = [this](int Script::*counter) {
    std::lock_guard lock(mutex_);
    return script_.*counter > 0 && (script_.*counter)-- > 0;
  };
  if (taken_from(&Script::ignore_sessions)) return Ignore(stream);
  if (const auto refusal = script().refuse_sessions) return *refusal;

  v1::SessionResponse response;
  std::uint64_t incarnation = 0;
  if (first.has_register_()) {
    {
      std::lock_guard lock(mutex_);
      registration_ids_.push_back(first.register_().registration_id());
    }
    if (const Duration delay = script().delay_registration; delay > Duration::zero()) {
      response.mutable_waiting()->set_incarnation(999);
      stream.Write(response);
      cluster_.EventsAfter(UINT64_MAX - 1, delay);
    }
    const v1::Pod pod = cluster_.Register(first.register_(), number_);
    incarnation = pod.incarnation();
    if (pod.state() != v1::POD_STATE_ALIVE) {
      return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_INCARNATION_ENDED,
                     "it has ended", {{"cause", "STREAM_ENDED"}});
    }
    if (taken_from(&Script::swallow_registrations)) {
      if (script().end_swallowed) cluster_.End(incarnation, v1::POD_STATE_DEAD);
      return Ignore(stream);
    }
    *response.mutable_registered()->mutable_pod() = pod;
    response.mutable_registered()->set_session_token("token");
    *response.mutable_registered()->mutable_terms() = cluster_.terms;
  } else {
    const auto pod = cluster_.Resume(first.resume(), number_);
    if (!pod) {
      const auto ended = cluster_.Find(first.resume().incarnation());
      const bool left = ended && ended->state() == v1::POD_STATE_LEFT;
      return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_INCARNATION_ENDED,
                     "it has ended", {{"cause", left ? "LEFT" : "STREAM_ENDED"}});
    }
    incarnation = pod->incarnation();
    *response.mutable_resumed()->mutable_pod() = *pod;
    *response.mutable_resumed()->mutable_terms() = cluster_.terms;
  }
  if (taken_from(&Script::lose_answers)) {
    context.TryCancel();
    return grpc::Status::CANCELLED;
  }
  const Listed listed(mutex_, streams_,
                      &stream);  // first, so that whoever is hosted can be told something
  {
    std::lock_guard lock(mutex_);
    stream.Write(response);
  }
  return Converse(stream, incarnation);
}

grpc::Status ScriptedCoordinator::Converse(Stream& stream, std::uint64_t incarnation) {
  for (v1::SessionRequest request; stream.Read(&request);) {
    WaitWhileStalled();
    v1::SessionResponse response;
    if (request.has_heartbeat()) {
      Note("heartbeat");
      if (!script().answer_heartbeats) continue;
      response.mutable_heartbeat()->set_number(request.heartbeat().number());
      response.mutable_heartbeat()->set_lease_granted(script().grant_leases);
      response.mutable_heartbeat()->set_link_degraded(script().link_degraded ||
                                                      !script().grant_leases);
    } else if (request.has_leave()) {
      Note("leave");
      if (!script().answer_leaves) continue;
      cluster_.End(incarnation, v1::POD_STATE_LEFT);
      response.mutable_left();
    } else if (request.has_detach()) {
      Note("detach");
      return grpc::Status::OK;
    }
    std::lock_guard lock(mutex_);
    stream.Write(response);
    if (response.has_left()) return grpc::Status::OK;
  }
  Note("stream_broken");
  return grpc::Status::CANCELLED;
}

grpc::Status ScriptedCoordinator::Follow(const v1::SubscribeRequest& request,
                                         grpc::ServerWriter<v1::SubscribeResponse>& writer,
                                         grpc::ServerContext& context) {
  std::uint64_t seq = 0;
  if (request.has_after_cursor()) {
    seq = std::stoull(request.after_cursor());
  } else if (request.has_from_now()) {
    v1::SubscribeResponse snapshot;
    seq = cluster_.head();
    for (auto& pod : cluster_.LivingPods())
      *snapshot.mutable_snapshot()->add_pods() = std::move(pod);
    snapshot.mutable_snapshot()->set_cursor(std::to_string(seq));
    writer.Write(snapshot);
  }
  Time next_position = BootClock::now();
  while (!context.IsCancelled()) {
    v1::SubscribeResponse response;
    if (const auto events = cluster_.EventsAfter(seq, kLook); !events.empty()) {
      for (const auto& event : events) *response.mutable_events()->add_events() = event;
      seq = events.back().seq();
      response.mutable_events()->set_cursor(std::to_string(seq));
    } else if (BootClock::now() >= next_position) {
      response.mutable_position()->set_cursor(std::to_string(seq));
      response.mutable_position()->set_seq(seq);
      response.mutable_position()->set_head(cluster_.head());
      response.mutable_position()->set_oldest(1);
      *response.mutable_position()->mutable_read_age() = ToProto(script().read_age);
      next_position = BootClock::now() + kPositionInterval;
    } else {
      continue;
    }
    if (!writer.Write(response)) break;
  }
  return grpc::Status::CANCELLED;
}

Client Connect(std::initializer_list<ScriptedCoordinator*> coordinators, Client::Options options) {
  options.spread = false;
  for (const auto* coordinator : coordinators) options.addresses.push_back(coordinator->address());
  return *Client::Create(std::move(options));
}

}  // namespace vigil::client
