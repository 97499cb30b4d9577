#include "mortal_pods.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "raw_pod.h"

namespace vigil::bench {
namespace {

// gRPC looks at a connection on which no call waits every 5 s only, and the coordinator gives one
// up that has not answered its ping after 5 s.
constexpr std::chrono::milliseconds kAttention = std::chrono::seconds(2);

}  // namespace

struct MortalPods::Connection {
  std::unique_ptr<v1::PodRegistryService::Stub> registry;
};

MortalPods::MortalPods(std::chrono::seconds lease)
    : heartbeat_interval_(std::chrono::milliseconds(lease) / 3),
      connection_(std::make_unique<Connection>()) {}

Result<std::unique_ptr<MortalPods>> MortalPods::Register(const std::string& address,
                                                         const std::string& ns,
                                                         const std::string& names, int count,
                                                         std::chrono::seconds lease) {
  std::unique_ptr<MortalPods> pods(new MortalPods(lease));
  pods->connection_->registry = v1::PodRegistryService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  for (int i = 0; i < count; ++i) {
    auto pod =
        RawPod::Register(*pods->connection_->registry, ns, fmt::format("{}-{}", names, i), lease);
    if (!pod) return Fail(pod.error());
    pods->living_.push_back(std::move(*pod));
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

std::vector<uint64_t> MortalPods::Living() {
  std::lock_guard lock(mutex_);
  std::vector<uint64_t> incarnations;
  for (const auto& pod : living_) incarnations.push_back(pod->incarnation());
  return incarnations;
}

uint64_t MortalPods::KillNext() {
  std::lock_guard lock(mutex_);
  dead_.push_back(std::move(living_.back()));
  living_.pop_back();
  dead_.back()->Cancel();
  return dead_.back()->incarnation();
}

void MortalPods::KeepAlive() {
  std::unique_lock lock(mutex_);
  const SystemClock clock;
  const auto attention = std::min(kAttention, heartbeat_interval_);
  Instant next_round = clock.Now() + heartbeat_interval_;
  while (!changed_.wait_for(lock, attention, [this] { return over_; })) {
    const bool all = clock.Now() >= next_round;
    if (all) next_round += heartbeat_interval_;
    // One that is refused a lease is dead: the measurement will miss its event and say so.
    for (const auto& pod : living_) {
      static_cast<void>(pod->Heartbeat());
      if (!all) break;
    }
  }
}

}  // namespace vigil::bench
