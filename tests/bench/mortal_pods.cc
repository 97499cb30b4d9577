#include "mortal_pods.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include <chrono>
#include <random>
#include <utility>

#include "base/clock.h"
#include "measuring.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"

namespace vigil::bench {
namespace {

// The longest that there is, so that heartbeats seldom disturb the measurement.
constexpr auto kLease = std::chrono::seconds(60);
constexpr auto kHeartbeatInterval = kLease / 3;
// gRPC looks at a connection on which no call waits every 5 s only, and the coordinator gives one
// up that has not answered its ping after 5 s.
constexpr auto kAttention = std::chrono::seconds(2);

}  // namespace

struct MortalPods::Connection {
  std::unique_ptr<v1::PodRegistryService::Stub> registry;
};

struct MortalPods::Pod {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream;
  uint64_t incarnation = 0;

  // What comes in answer; none when the stream has ended.
  v1::SessionResponse Ask(const v1::SessionRequest& request) const {
    v1::SessionResponse response;
    if (!stream->Write(request) || !stream->Read(&response)) response.Clear();
    return response;
  }

  bool Heartbeat() const {
    v1::SessionRequest request;
    request.mutable_heartbeat()->set_number(1);
    return Ask(request).heartbeat().lease_granted();
  }
};

MortalPods::MortalPods() : connection_(std::make_unique<Connection>()) {}

Result<std::unique_ptr<MortalPods>> MortalPods::Register(const std::string& address,
                                                         const std::string& ns,
                                                         const std::string& names, int count) {
  std::unique_ptr<MortalPods> pods(new MortalPods());
  pods->connection_->registry = v1::PodRegistryService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  for (int i = 0; i < count; ++i) {
    auto registered = pods->RegisterOne(ns, fmt::format("{}-{}", names, i));
    if (!registered) return Fail(registered.error());
  }
  pods->heartbeats_ = std::thread([&pods = *pods] { pods.KeepAlive(); });
  return pods;
}

MortalPods::~MortalPods() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (heartbeats_.joinable()) heartbeats_.join();
}

Result<void> MortalPods::RegisterOne(const std::string& ns, const std::string& name) {
  auto pod = std::make_unique<Pod>();
  pod->stream = connection_->registry->Session(&pod->context);
  std::random_device random;
  v1::SessionRequest request;
  auto& registration = *request.mutable_register_();
  registration.set_namespace_(ns);
  registration.set_name(name);
  registration.set_registration_id(fmt::format("{:08x}{:08x}", random(), random()));
  registration.set_profile(v1::PROFILE_FAST);
  registration.mutable_lease()->set_seconds(kLease.count());
  const auto answer = pod->Ask(request);
  pod->incarnation = answer.registered().pod().incarnation();
  if (pod->incarnation == 0 || !pod->Heartbeat()) {
    pod->context.TryCancel();
    return Fail(Unmeasurable(
        fmt::format("pod {} was refused: {}", name, pod->stream->Finish().error_message())));
  }
  living_.push_back(std::move(pod));
  return {};
}

uint64_t MortalPods::KillNext() {
  std::lock_guard lock(mutex_);
  dead_.push_back(std::move(living_.back()));
  living_.pop_back();
  dead_.back()->context.TryCancel();
  return dead_.back()->incarnation;
}

void MortalPods::KeepAlive() {
  std::unique_lock lock(mutex_);
  const SystemClock clock;
  Instant next_round = clock.Now() + kHeartbeatInterval;
  while (!changed_.wait_for(lock, kAttention, [this] { return over_; })) {
    const bool all = clock.Now() >= next_round;
    if (all) next_round += kHeartbeatInterval;
    // One that is refused a lease is dead: the measurement will miss its event and say so.
    for (const auto& pod : living_) {
      static_cast<void>(pod->Heartbeat());
      if (!all) break;
    }
  }
}

}  // namespace vigil::bench
