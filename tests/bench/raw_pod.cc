#include "raw_pod.h"

#include <fmt/format.h>

#include <random>

#include "measuring.h"

namespace vigil::bench {

Result<std::unique_ptr<RawPod>> RawPod::Register(v1::PodRegistryService::Stub& registry,
                                                 const std::string& ns, const std::string& name,
                                                 std::chrono::seconds lease) {
  std::unique_ptr<RawPod> pod(new RawPod());
  pod->stream_ = registry.Session(&pod->context_);
  std::random_device random;
  v1::SessionRequest request;
  auto& registration = *request.mutable_register_();
  registration.set_namespace_(ns);
  registration.set_name(name);
  registration.set_registration_id(fmt::format("{:08x}{:08x}", random(), random()));
  registration.set_profile(v1::PROFILE_FAST);
  registration.mutable_lease()->set_seconds(lease.count());
  const auto answer = pod->Ask(request);
  pod->incarnation_ = answer.registered().pod().incarnation();
  if (pod->incarnation_ != 0 && pod->Heartbeat()) return pod;
  pod->Cancel();
  return Fail(Unmeasurable(
      fmt::format("pod {} was refused: {}", name, pod->stream_->Finish().error_message())));
}

v1::SessionResponse RawPod::Ask(const v1::SessionRequest& request) {
  v1::SessionResponse response;
  if (!stream_->Write(request) || !stream_->Read(&response)) response.Clear();
  return response;
}

bool RawPod::Heartbeat() {
  v1::SessionRequest request;
  request.mutable_heartbeat()->set_number(++heartbeats_);
  return Ask(request).heartbeat().lease_granted();
}

}  // namespace vigil::bench
