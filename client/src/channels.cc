#include "channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

namespace vigil::client {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(
    const std::string& address, const std::string& server_name,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  // A new link is a new connection, even to an address that another link has.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy of the environment would be between a pod and its proof of life, and would see a token
  // that is meant for this machine alone: gRPC asks it for loopback addresses, too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A coordinator that is back is found within a second, whatever gRPC's own default of minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // also how long one connect may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Retries are the library's own: it knows what may be repeated, and where.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 64 << 20);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace

Link::Link(const std::string& the_address, std::shared_ptr<const Credentials> the_credentials)
    : address(the_address),
      credentials(std::move(the_credentials)),
      channel_credentials(credentials->channel()),
      channel(MakeChannel(the_address, credentials->server_name(), channel_credentials)),
      pods(v1::PodRegistryService::NewStub(channel)),
      events(v1::PodEventService::NewStub(channel)),
      work(v1::WorkService::NewStub(channel)),
      health(grpc::health::v1::Health::NewStub(channel)) {}

Channels::Channels(std::vector<std::string> addresses,
                   std::shared_ptr<const Credentials> credentials)
    : addresses_(std::move(addresses)),
      credentials_(std::move(credentials)),
      places_(addresses_.size()) {}

std::shared_ptr<Link> Channels::Make(std::size_t index) const {
  return std::make_shared<Link>(addresses_[index], credentials_);
}

std::shared_ptr<Link> Channels::At(std::size_t index) {
  MutexLock lock(mutex_);
  Place& place = places_[index];
  if (!place.link || place.link->channel_credentials != credentials_->channel()) {
    place.link = Make(index);
    place.declined = false;
  }
  return place.link;
}

std::shared_ptr<Link> Channels::Another(std::size_t index, const std::shared_ptr<Link>& than) {
  MutexLock lock(mutex_);
  Place& place = places_[index];
  if (place.link && place.link != than && !place.declined) return place.link;
  auto asked = place.asked.lock();
  if (!asked || asked == than) place.asked = asked = Make(index);
  return asked;
}

void Channels::Decline(const std::shared_ptr<Link>& link) {
  MutexLock lock(mutex_);
  for (Place& place : places_) {
    if (place.link == link) place.declined = true;
    if (place.asked.lock() == link) place.asked.reset();
  }
}

void Channels::Adopt(std::size_t index, std::shared_ptr<Link> link) {
  MutexLock lock(mutex_);
  places_[index] = Place{std::move(link), false, {}};
}

void Channels::Distrust(const std::shared_ptr<Link>& link) {
  MutexLock lock(mutex_);
  for (Place& place : places_) {
    if (place.link == link) place.link.reset();
    if (place.asked.lock() == link) place.asked.reset();
  }
}

std::size_t Channels::preferred() const {
  MutexLock lock(mutex_);
  return preferred_;
}

void Channels::Prefer(std::size_t index) {
  MutexLock lock(mutex_);
  preferred_ = index;
}

}  // namespace vigil::client
