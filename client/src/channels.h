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
  // As they were when it was made.
  const std::shared_ptr<grpc::ChannelCredentials> channel_credentials;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::PodRegistryService::Stub> pods;
  const std::unique_ptr<v1::PodEventService::Stub> events;
  const std::unique_ptr<v1::WorkService::Stub> work;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

// One link per address, made when first used and shared by calls and streams, so that a call finds
// its connection open. A new one takes its place when the credentials of channels have changed;
// what runs on the old one goes on.
//
// Behind one address there may be several coordinators, and only another connection leads to
// another of them. Who looks for one shares it with all others that do: they end up together, on
// one connection, and however many ask at once, it is one that is made.
//
// Thread safety: everything may be called from any thread.
class Channels {
 public:
  // REQUIRES: at least one address.
  Channels(std::vector<std::string> addresses, std::shared_ptr<const Credentials> credentials);

  std::shared_ptr<Link> At(std::size_t index);
  // Another connection to that address than this one, which may be null: the one that At gives, or
  // the one that somebody asks on just now, or a new one. Never one that was declined.
  std::shared_ptr<Link> Another(std::size_t index, const std::shared_ptr<Link>& than);
  // Whoever is at the end of this link is of no use to who asked there: Another gives it to nobody.
  void Decline(const std::shared_ptr<Link>& link);
  // From here on At gives this link, which Another gave for that address.
  void Adopt(std::size_t index, std::shared_ptr<Link> link);
  // Something timed out on this link, so its connection may be dead without saying so: neither At
  // nor Another gives it any more. What runs on it is left alone.
  void Distrust(const std::shared_ptr<Link>& link);

  // Where to begin: the last address that was seen to work, or the first.
  std::size_t preferred() const;
  void Prefer(std::size_t index);

  const std::vector<std::string>& addresses() const { return addresses_; }
  std::size_t size() const { return addresses_.size(); }

 private:
  struct Place {
    std::shared_ptr<Link> link;
    bool declined = false;
    // What Another made, for as long as somebody asks on it.
    std::weak_ptr<Link> asked;
  };

  std::shared_ptr<Link> Make(std::size_t index) const;

  const std::vector<std::string> addresses_;
  const std::shared_ptr<const Credentials> credentials_;
  mutable Mutex mutex_;
  std::vector<Place> places_ VIGIL_GUARDED_BY(mutex_);
  std::size_t preferred_ VIGIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace vigil::client
