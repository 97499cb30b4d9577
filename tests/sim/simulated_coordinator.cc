#include "sim/simulated_coordinator.h"

#include <algorithm>
#include <utility>

namespace vigil::sim {

SimulatedCoordinator::SimulatedCoordinator(Place place)
    : place_(std::move(place)),
      machine_(place_.time, place_.address, place_.chance.For(0)),
      database_(Link(1)),
      sessions_(Link(2), "session"),
      verdicts_(Link(3), "verdict"),
      probe_(Link(4), "probe"),
      log_(Link(5), "log"),
      replay_(Link(9), "replay"),
      renewals_(Link(6), "renewal"),
      pruning_(Link(10), "pruning"),
      recovery_(Link(11), "recovery"),
      requests_(Link(7), "request") {
  route_->deaf = !place_.wake_ups;
  Chance chance = place_.chance.For(8);
  coordinator_ = std::make_unique<Coordinator>(
      Coordinator::Environment{
          .database = database_,
          .lanes = {sessions_, verdicts_, probe_, log_, replay_, renewals_, pruning_, recovery_},
          .scheduler = machine_,
          .log_scheduler = machine_,
          .clock = machine_,
          .make_token = [chance]() mutable { return "token-" + std::to_string(chance.Draw()); },
          .seed = chance.Draw()},
      place_.settings, place_.address);
  coordinator_->Start();
}

DatabaseLink SimulatedCoordinator::Link(uint64_t number) {
  return {place_.time, machine_, place_.server, route_, place_.chance.For(number)};
}

void SimulatedCoordinator::Kill() {
  machine_.Kill();
  for (DistantLane* lane : {&sessions_, &verdicts_, &probe_, &log_, &replay_, &renewals_, &pruning_,
                            &recovery_, &requests_}) {
    lane->Kill();
  }
  coordinator_.reset();
}

void SimulatedCoordinator::Drain(Duration patience, std::function<void()> done) {
  if (!coordinator_ || std::exchange(draining_, true)) return;
  machine_.Post([this, patience, done = std::move(done)] {
    coordinator_->Drain(patience, [this, done] { machine_.Post(done); });
  });
}

size_t SimulatedCoordinator::longest_queue() const {
  size_t longest = 0;
  for (const DistantLane* lane : {&sessions_, &verdicts_, &probe_, &log_, &replay_, &renewals_,
                                  &pruning_, &recovery_, &requests_}) {
    longest = std::max(longest, lane->longest_queue());
  }
  return longest;
}

void SimulatedCoordinator::Opened(const std::shared_ptr<PodStream>& stream) {
  coordinator_->conversations().Opened(stream);
}

void SimulatedCoordinator::Received(const std::shared_ptr<PodStream>& stream,
                                    const PodMessage& message) {
  coordinator_->conversations().Received(stream, message);
}

void SimulatedCoordinator::Ended(const std::shared_ptr<PodStream>& stream) {
  coordinator_->conversations().Ended(stream);
}

}  // namespace vigil::sim
