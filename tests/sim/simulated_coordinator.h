// A process of vigild: the real coordinator on a machine of the simulation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/coordinator.h"
#include "sim/distant_database.h"
#include "sim/network.h"

namespace vigil::sim {

// Who hears what no product code may see.
using OnSession = std::function<void(SessionNumber session, SessionMoment moment)>;

// Its parts stay when it is killed, since what it asked of the database is still carried out, but
// the coordinator itself is destroyed, as is all that it knows.
class SimulatedCoordinator final : public HostEnd {
 public:
  struct Place {
    VirtualTime& time;
    DatabaseServer& server;
    std::string address;
    CoordinatorSettings settings;
    Chance chance;
    OnSession on_session;
    // Whether the database wakes it up.
    bool wake_ups = true;
  };

  explicit SimulatedCoordinator(Place place);

  Machine& machine() { return machine_; }
  const Machine& machine() const { return machine_; }
  DatabaseRoute& route() { return *route_; }
  const std::string& address() const { return place_.address; }
  // Null once it is killed.
  Coordinator* coordinator() { return coordinator_.get(); }

  void Kill();
  // Calls `done` when it has drained.
  void Drain(Duration patience, std::function<void()> done);
  void Reconnected() { database_.Reconnected(); }

  // A call of a pod: a transaction in the lane of requests. `then` is called here.
  template <typename T>
  void Request(std::function<Result<T>(Store&)> work, Then<T> then) {
    if (coordinator_) Ask<T>(requests_, machine_, std::move(work), std::move(then));
  }

  // How many transactions ever waited in one lane.
  size_t longest_queue() const;

  void Opened(const std::shared_ptr<PodStream>& stream) override;
  void Received(const std::shared_ptr<PodStream>& stream, const PodMessage& message) override;
  void Ended(const std::shared_ptr<PodStream>& stream) override;
  void Witnessed(SessionNumber session, SessionMoment moment) override {
    place_.on_session(session, moment);
  }

 private:
  DatabaseLink Link(uint64_t number);

  const Place place_;
  Machine machine_;
  const std::shared_ptr<DatabaseRoute> route_ = std::make_shared<DatabaseRoute>();
  DistantDatabase database_;
  DistantLane sessions_, verdicts_, probe_, log_, replay_, renewals_, pruning_, recovery_,
      requests_;
  bool draining_ = false;
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace vigil::sim
