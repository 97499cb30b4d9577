#include "crowd.h"

#include <algorithm>

#include "support/process.h"

namespace vigil {

using client::SelfState;

Crowd::Crowd(const client::Client& client, const Options& options) {
  for (int i = 0; i < options.size; ++i) {
    auto member = std::make_unique<Member>();
    member->name = options.prefix + "pod-" + std::to_string(i);
    const auto note = [this, self = member.get()](const client::Standing& standing) {
      std::lock_guard lock(mutex_);
      self->standing = standing;
      self->changed = Now();
      if (standing.state == SelfState::kLost) self->lost = true;
      if (standing.state == SelfState::kSuspended) self->suspended = true;
      changed_.notify_all();
    };
    // Before it is in the list, since nobody looks at it yet.
    member->session = std::make_unique<client::PodSession>(
        client,
        client::PodSession::Options{.name = member->name,
                                    .profile = options.profile,
                                    .lease = options.lease,
                                    .labels = options.labels,
                                    .wait_for_name = options.wait_for_name,
                                    .register_timeout = std::chrono::seconds(60)},
        client::PodSession::Callbacks{.on_change = note});
    members_.push_back(std::move(member));
  }
}

std::string Crowd::AwaitRegistered() {
  for (auto& member : members_) {
    const auto registration = member->session->AwaitRegistration();
    if (!registration) return member->name + ": " + client::Describe(registration.error());
    member->incarnation = registration->pod.incarnation;
  }
  return "";
}

std::vector<Instant> Crowd::AwaitAll(const Match& matches, Duration within) {
  std::unique_lock lock(mutex_);
  const bool all = changed_.wait_for(lock, within, [&] {
    return std::all_of(members_.begin(), members_.end(),
                       [&](const auto& member) { return matches(member->standing); });
  });
  std::vector<Instant> since;
  if (!all) return since;
  for (const auto& member : members_) since.push_back(member->changed);
  return since;
}

bool Crowd::AwaitOneLost(Duration within) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, within, [&] {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& member) { return member->lost; });
  });
}

size_t Crowd::lost() const {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(members_.begin(), members_.end(),
                                           [](const auto& member) { return member->lost; }));
}

size_t Crowd::suspended() const {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(members_.begin(), members_.end(),
                                           [](const auto& member) { return member->suspended; }));
}

size_t Crowd::changed() const {
  return static_cast<size_t>(
      std::count_if(members_.begin(), members_.end(), [](const auto& member) {
        return member->session->standing().incarnation != member->incarnation;
      }));
}

bool Hosted(const client::Standing& standing) { return standing.state == SelfState::kAlive; }
bool Lost(const client::Standing& standing) { return standing.state == SelfState::kLost; }

Crowd::Match HostedElsewhere(client::CoordinatorNumber number) {
  return [number](const client::Standing& standing) {
    return Hosted(standing) && standing.coordinator != number;
  };
}

std::string LiveAndDie(VigilCluster& cluster, int round, int pods) {
  auto connected = cluster.Connect();
  if (!connected) return connected.error().message;
  Crowd crowd(*connected, {.prefix = "round-" + std::to_string(round) + "-",
                           .size = pods,
                           .profile = client::Profile::kFast});
  return crowd.AwaitRegistered();
}

}  // namespace vigil
