#include "pulse.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>

#include "measuring.h"
#include "raw_pod.h"
#include "support/process.h"

namespace vigil::bench {
namespace {

constexpr int kPods = 8;
constexpr auto kLease = std::chrono::seconds(3);
constexpr auto kRest = std::chrono::milliseconds(2);

}  // namespace

Result<std::unique_ptr<Pulse>> Pulse::Begin(const std::string& address, const std::string& ns) {
  std::unique_ptr<Pulse> pulse(new Pulse());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  pulse->registry_ = v1::PodRegistryService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  for (int i = 0; i < kPods; ++i) {
    auto pod = RawPod::Register(*pulse->registry_, ns, fmt::format("living-{}", i), kLease);
    if (!pod) return Fail(pod.error());
    pulse->pods_.push_back(std::move(*pod));
  }
  pulse->thread_ = std::thread([&pulse = *pulse] { pulse.Beat(); });
  return pulse;
}

Pulse::~Pulse() { static_cast<void>(End()); }

void Pulse::Count() {
  std::lock_guard lock(mutex_);
  measured_ = {};
}

Result<Pulse::Measured> Pulse::End() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (refused_) return Fail(Unmeasurable("a living pod was refused a lease"));
  return measured_;
}

void Pulse::Beat() {
  std::unique_lock lock(mutex_);
  for (size_t next = 0; !over_ && !refused_; ++next) {
    RawPod& pod = *pods_[next % pods_.size()];
    lock.unlock();
    const Instant sent = Now();
    const bool granted = pod.Heartbeat();
    const Duration answered = Now() - sent;
    lock.lock();
    refused_ = !granted;
    measured_.worst = std::max(measured_.worst, answered);
    ++measured_.heartbeats;
    changed_.wait_for(lock, kRest, [this] { return over_; });
  }
}

}  // namespace vigil::bench
