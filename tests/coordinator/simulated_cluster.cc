#include "coordinator/simulated_cluster.h"

#include <gtest/gtest.h>

#include "history/promised.h"

namespace vigil {

Incarnation IncarnationOf(const PodHandle& pod) {
  const auto* registered = pod->Last<RegisteredAnswer>();
  EXPECT_NE(registered, nullptr);
  return registered ? registered->pod.incarnation : Incarnation{};
}

SimulatedCluster::Member::Member(SimulatedCluster& cluster, uint64_t seed)
    : database(cluster.scheduler, cluster.engine),
      lane(database, cluster.scheduler),
      coordinator({.database = database,
                   .lanes = {lane, lane, lane, lane, lane, lane, lane, lane},
                   .scheduler = cluster.scheduler,
                   .log_scheduler = cluster.scheduler,
                   .clock = cluster.clock,
                   .make_token =
                       [seed, n = 0]() mutable {
                         return "token-" + std::to_string(seed) + "-" + std::to_string(++n);
                       },
                   .seed = seed,
                   .measures = measures},
                  cluster.settings_, "simulated") {}

SimulatedCluster::Member& SimulatedCluster::Add() {
  if (!engine) {
    observer_ = std::make_unique<MemoryDatabase>(scheduler);
    engine = observer_->engine();
    engine->SetWallClock([this] {
      const Duration since = clock.Now().time_since_epoch() + wall_clock_ahead;
      return WallMicros{static_cast<uint64_t>(since / std::chrono::microseconds(1))};
    });
    store_ = observer_->OpenStore(std::chrono::seconds(1));
  }
  members_.push_back(std::make_unique<Member>(*this, members_.size() + 1));
  Member& member = *members_.back();
  member.coordinator.Start();
  scheduler.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(member.coordinator.Ready());
  return member;
}

void SimulatedCluster::GiveUp(CoordinatorNumber coordinator) {
  EXPECT_TRUE(store_->RemoveCoordinator(coordinator));
}

void SimulatedCluster::Kill(Member& member) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const auto& one) { return one.get() == &member; });
  // Callbacks on their way to it belong to nobody now: they run while it still stands and changes
  // nothing.
  member.database.SetAway(true);
  scheduler.Settle();
  members_.erase(found);
}

PodHandle SimulatedCluster::Register(Member& member, const std::string& name, Profile profile,
                                     Duration wait_for_name, const std::string& registration_id) {
  auto pod = BeginRegister(member, {.name = name,
                                    .registration_id = registration_id,
                                    .profile = profile,
                                    .wait_for_name = wait_for_name});
  scheduler.Settle();
  return pod;
}

PodHandle SimulatedCluster::BeginRegister(Member& member, RegisterMessage message) {
  auto pod = std::make_shared<RecordedPodStream>();
  message.ns = kNamespace;
  if (message.registration_id.empty()) {
    message.registration_id = "registration-" + std::to_string(1000 + ++registrations_);
  }
  member.coordinator.conversations().Opened(pod);
  member.coordinator.conversations().Received(pod, message);
  return pod;
}

PodHandle SimulatedCluster::RegisterAndBeat(Member& member, const std::string& name,
                                            Profile profile) {
  auto pod = Register(member, name, profile);
  EXPECT_TRUE(Beat(member, pod));
  return pod;
}

PodHandle SimulatedCluster::Resume(Member& member, const PodHandle& registered) {
  auto stream = std::make_shared<RecordedPodStream>();
  const auto& answer = *registered->Last<RegisteredAnswer>();
  member.coordinator.conversations().Opened(stream);
  member.coordinator.conversations().Received(
      stream, ResumeMessage{kNamespace, answer.pod.incarnation, answer.session_token});
  scheduler.Settle();
  return stream;
}

bool SimulatedCluster::Beat(Member& member, const PodHandle& pod) {
  const size_t before = pod->heard.size();
  member.coordinator.conversations().Received(pod, HeartbeatMessage{1});
  scheduler.Settle();
  const auto* answer = pod->Last<HeartbeatAnswer>();
  return pod->heard.size() > before && answer && answer->lease_granted;
}

void SimulatedCluster::Break(Member& member, const PodHandle& pod) {
  member.coordinator.conversations().Ended(pod);
  scheduler.Settle();
}

void SimulatedCluster::KeepAlive(Member& member, const std::vector<PodHandle>& pods,
                                 Duration duration) {
  const Instant end = clock.Now() + duration;
  while (clock.Now() < end) {
    for (const auto& pod : pods) Beat(member, pod);
    scheduler.Advance(std::min<Duration>(settings_.timing.default_lease / 3, end - clock.Now()));
  }
}

SubscriberHandle SimulatedCluster::Subscribe(Member& member, const SubscriptionStart& start,
                                             const std::string& ns, EventFilter filter) {
  const SubscriptionRequest request{ns, start, std::move(filter)};
  auto subscriber = std::make_shared<RecordedSubscriberStream>(clock, request);
  subscribers_.push_back(subscriber);
  member.coordinator.subscriptions().Opened(subscriber, request);
  scheduler.Settle();
  return subscriber;
}

void SimulatedCluster::Read(Member& member, const SubscriberHandle& subscriber) {
  while (subscriber->unread > 0) {
    --subscriber->unread;
    member.coordinator.subscriptions().Written(subscriber);
    scheduler.Settle();
  }
}

void SimulatedCluster::LoseEventsAfter(Seq head) {
  lost_logs_.push_back(Log());
  engine->LoseEvents(kNamespace, head);
}

history::Violations SimulatedCluster::Violations() {
  history::Violations all;
  const bool lost = !lost_logs_.empty();
  const history::Reference now{.log = Log(), .only_events = lost, .bounds = history::kPromised};
  for (const auto& subscriber : subscribers_) {
    if (subscriber->ns != kNamespace) continue;
    history::History told = subscriber->history;
    auto violations = history::Validate(told, now);
    const auto expiry = history::Explicit(told, now);
    all.insert(all.end(), expiry.begin(), expiry.end());
    const auto end = subscriber->Ending();
    if (end && end->reason == EndReason::kExpired) told.pop_back();
    for (const auto& log : lost_logs_) {
      if (!violations.empty())
        violations = history::Validate(told, {.log = log, .only_events = lost});
    }
    all.insert(all.end(), violations.begin(), violations.end());
  }
  return all;
}

Pod SimulatedCluster::Look(const std::string& name) {
  return store_->GetPod(kNamespace, name).value();
}

std::vector<Event> SimulatedCluster::Log() {
  std::vector<Event> log;
  while (true) {
    const auto page =
        store_->ReadEvents(kNamespace, log.empty() ? Position{} : log.back().position(), 100)
            .value();
    if (page.events.empty()) return log;
    log.insert(log.end(), page.events.begin(), page.events.end());
  }
}

std::vector<EventKind> SimulatedCluster::Kinds(Incarnation incarnation) {
  std::vector<EventKind> kinds;
  for (const Event& event : Log()) {
    if (event.incarnation == incarnation) kinds.push_back(event.kind);
  }
  return kinds;
}

}  // namespace vigil
