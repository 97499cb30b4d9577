// The channels to the coordinators of one client.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "credentials.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "mutex.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace vigil::client {

// One connection to one coordinator, with the stubs that use it.
struct Link {
  Link(const std::string& address, std::shared_ptr<const Credentials> credentials);

  const std::string address;
  const std::shared_ptr<const Credentials> credentials;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::PodRegistryService::Stub> pods;
  const std::unique_ptr<v1::PodEventService::Stub> events;
  const std::unique_ptr<v1::WorkService::Stub> work;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

// One link per address, made when first used and shared by calls and streams, so that a call finds
// its connection open.
//
// Thread safety: everything may be called from any thread.
class Channels {
 public:
  // REQUIRES: at least one address.
  Channels(std::vector<std::string> addresses, std::shared_ptr<const Credentials> credentials);

  std::shared_ptr<Link> At(std::size_t index);
  // A new connection to that address, for the caller alone until it is adopted.
  std::shared_ptr<Link> Anew(std::size_t index) const;
  // From here on At gives this link, which Anew made for that address.
  void Adopt(std::size_t index, std::shared_ptr<Link> link);
  // Something timed out on this link, so its connection may be dead without saying so: the next At
  // makes a new one. What runs on the old one is left alone.
  void Distrust(const std::shared_ptr<Link>& link);

  // Where to begin: the last address that was seen to work, or the first.
  std::size_t preferred() const;
  void Prefer(std::size_t index);

  const std::vector<std::string>& addresses() const { return addresses_; }
  std::size_t size() const { return addresses_.size(); }

 private:
  const std::vector<std::string> addresses_;
  const std::shared_ptr<const Credentials> credentials_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Link>> links_ VIGIL_GUARDED_BY(mutex_);
  std::size_t preferred_ VIGIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace vigil::client
