// A cluster of real coordinators over the state engine in memory, in simulated time, with pods and
// subscribers that a test speaks for.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/recorded_measures.h"
#include "history/from_coordinator.h"
#include "history/validators.h"
#include "store/memory/memory_database.h"
#include "support/simulated_time.h"

namespace vigil {

// What a pod hears.
class RecordedPodStream final : public PodStream {
 public:
  void Send(HostMessage message) override { heard.push_back(std::move(message)); }
  void End(std::optional<Error> error) override {
    if (!ended) reason = error ? std::string(error->reason) : "";
    ended = true;
  }

  // The last message of a kind; null when none came.
  template <typename Message>
  const Message* Last() const {
    for (auto message = heard.rbegin(); message != heard.rend(); ++message) {
      if (const auto* found = std::get_if<Message>(&*message)) return found;
    }
    return nullptr;
  }

  std::vector<HostMessage> heard;
  bool ended = false;
  std::string reason;
};

// What a subscriber hears. It reads at once, or when the test says so.
class RecordedSubscriberStream final : public SubscriberStream {
 public:
  RecordedSubscriberStream(const Clock& clock, const SubscriptionRequest& request)
      : ns(request.ns), clock_(clock) {
    history.push_back({clock_.Now(), history::FromRequest(request)});
  }

  void Write(const SubscriberMessage& message) override {
    heard.push_back(message);
    history.push_back(history::FromMessage(message, clock_.Now()));
    ++unread;
  }
  void End(std::optional<Error> error) override {
    if (!ended) {
      reason = error ? std::string(error->reason) : "";
      if (!Ending()) NoteEnd(reason);
    }
    ended = true;
  }
  void Cancel() override {
    if (!ended && !Ending()) NoteEnd("cancelled");
    ended = true;
  }

  std::vector<Event> Events() const {
    std::vector<Event> events;
    for (const auto& message : heard) {
      if (const auto* delivered = std::get_if<DeliveredEvents>(&message)) {
        events.insert(events.end(), (*delivered)->events().begin(), (*delivered)->events().end());
      }
    }
    return events;
  }
  std::optional<EndNotice> Ending() const {
    const auto* end = heard.empty() ? nullptr : std::get_if<EndNotice>(&heard.back());
    return end ? std::optional(*end) : std::nullopt;
  }

  const std::string ns;
  std::vector<SubscriberMessage> heard;
  history::History history;
  int unread = 0;
  bool ended = false;
  std::string reason;

 private:
  void NoteEnd(const std::string& error) {
    history::Ended end;
    end.error = error;
    history.push_back({clock_.Now(), end});
  }

  const Clock& clock_;
};

using PodHandle = std::shared_ptr<RecordedPodStream>;
using SubscriberHandle = std::shared_ptr<RecordedSubscriberStream>;

// Of the pod that registered on this stream; a failed test when it was not let in.
Incarnation IncarnationOf(const PodHandle& pod);

class SimulatedCluster {
 public:
  // The test's own.
  static constexpr const char* kNamespace = "default";

  explicit SimulatedCluster(const CoordinatorSettings& settings = {}) : settings_(settings) {}

  // One coordinator with its own link to the shared engine.
  class Member {
   public:
    Member(SimulatedCluster& cluster, uint64_t seed);

    RecordedMeasures measures;
    MemoryDatabase database;
    SimulatedLane lane;
    Coordinator coordinator;
  };

  // Adds a coordinator and lets it join.
  Member& Add();

  // Ends the coordinator's row, as others do that give it up; its own link stays sound.
  void GiveUp(CoordinatorNumber coordinator);

  // The process is killed: its sessions end, and it never runs again.
  void Kill(Member& member);

  PodHandle Register(Member& member, const std::string& name, Profile profile,
                     Duration wait_for_name = {}, const std::string& registration_id = "");
  // Opens a stream with this message, in the test's namespace; everything after it is yet to come.
  PodHandle BeginRegister(Member& member, RegisterMessage message);
  // With the heartbeat that confirms its session, and a lease for it.
  PodHandle RegisterAndBeat(Member& member, const std::string& name, Profile profile);
  // Opens a stream for the pod that registered on the other one.
  PodHandle Resume(Member& member, const PodHandle& registered);
  // One heartbeat; whether it was answered with a lease.
  bool Beat(Member& member, const PodHandle& pod);
  // The connection breaks.
  void Break(Member& member, const PodHandle& pod);
  // Beats every third of the default lease for as long.
  void KeepAlive(Member& member, const std::vector<PodHandle>& pods, Duration duration);

  SubscriberHandle Subscribe(Member& member, const SubscriptionStart& start,
                             const std::string& ns = kNamespace, EventFilter filter = {});
  // The subscriber reads all that was written to it, and what follows from that.
  void Read(Member& member, const SubscriberHandle& subscriber);
  // A failover to a standby that never got the events after this one.
  void LoseEventsAfter(Seq head);
  // What was promised of the stream and not kept: each subscriber was told what one log has, from
  // before or after a loss, and whoever was told that it EXPIRED has.   (P8)
  history::Violations Violations();

  Pod Look(const std::string& name);
  std::vector<Event> Log();
  std::vector<EventKind> Kinds(Incarnation incarnation);

  SimulatedClock clock;
  SimulatedScheduler scheduler{clock};
  std::shared_ptr<memory::Engine> engine;
  // Of the database's wall clock.
  Duration wall_clock_ahead{};

 private:
  const CoordinatorSettings settings_;
  std::unique_ptr<MemoryDatabase> observer_;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<SubscriberHandle> subscribers_;
  std::vector<std::vector<Event>> lost_logs_;
  uint64_t registrations_ = 0;
};

}  // namespace vigil
