#include "support/simulated_time.h"

#include <algorithm>

namespace vigil {

class SimulatedScheduler::SimulatedTimer final : public Timer {
 public:
  SimulatedTimer(SimulatedScheduler& scheduler, Key key) : scheduler_(scheduler), key_(key) {}
  ~SimulatedTimer() override { scheduler_.due_.erase(key_); }

 private:
  SimulatedScheduler& scheduler_;
  const Key key_;
};

void SimulatedScheduler::Post(std::function<void()> callback) {
  due_.emplace(Key{clock_.Now() + post_delay_, ++asked_}, std::move(callback));
}

std::unique_ptr<Timer> SimulatedScheduler::After(Duration delay, std::function<void()> callback) {
  const Key key{clock_.Now() + delay, ++asked_};
  due_.emplace(key, std::move(callback));
  return std::make_unique<SimulatedTimer>(*this, key);
}

void SimulatedScheduler::Advance(Duration duration) {
  const Instant end = clock_.Now() + duration;
  while (!due_.empty() && due_.begin()->first.first <= end) {
    auto next = due_.extract(due_.begin());
    clock_.MoveTo(std::max(clock_.Now(), next.key().first));
    next.mapped()();
  }
  clock_.MoveTo(end);
}

}  // namespace vigil
