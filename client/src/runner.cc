#include "vigil/runner.h"

#include <utility>

#include "runner_driver.h"

namespace vigil::client {

Runner::Runner(const Client& client, Options options, Callbacks callbacks)
    : driver_(std::make_unique<Driver>(client, std::move(options), std::move(callbacks))) {}

Runner::~Runner() = default;

Result<Registration> Runner::AwaitRegistration() { return driver_->AwaitRegistration(); }
std::optional<Time> Runner::alive_until() const { return driver_->alive_until(); }
Standing Runner::standing() const { return driver_->standing(); }
void Runner::Feed() noexcept { driver_->Feed(); }

Result<Started> Runner::Submit(std::string_view key, std::string_view payload,
                               const WorkTraits& traits) {
  return driver_->Submit(key, payload, traits);
}

void Runner::StandBy(std::string key, std::string payload, WorkTraits traits) {
  driver_->StandBy({std::move(key), std::move(payload), std::move(traits)});
}

RunnerEnd Runner::Stop(Duration timeout) {
  BeginStop(timeout);
  return Wait();
}

void Runner::BeginStop(Duration timeout) { driver_->BeginStop(timeout); }
RunnerEnd Runner::Wait() { return driver_->Wait(); }

}  // namespace vigil::client
