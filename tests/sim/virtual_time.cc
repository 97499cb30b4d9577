#include "sim/virtual_time.h"

#include <algorithm>
#include <utility>

namespace vigil::sim {
namespace {

// Half of the bound on how much the rates of any two clocks differ (1 %), less a little for what
// their product adds.
constexpr int kFastest = 4900;
constexpr int64_t kMillion = 1'000'000;

}  // namespace

std::shared_ptr<VirtualTime::Entry> VirtualTime::At(Instant when, Entry entry) {
  auto shared = std::make_shared<Entry>(std::move(entry));
  due_.push({std::max(when, now_), ++asked_, shared});
  return shared;
}

bool VirtualTime::Step(Instant end) {
  while (!due_.empty() && due_.top().when <= end) {
    const Due next = due_.top();
    due_.pop();
    now_ = next.when;
    Entry& entry = *next.entry;
    if (!entry.callback) continue;
    Machine* machine = entry.machine;
    if (machine && machine->dead_) continue;
    if (machine && machine->frozen_) {
      machine->held_.push_back(next.entry);
      continue;
    }
    acting_ = machine;
    std::exchange(entry.callback, nullptr)();
    return true;
  }
  now_ = end;
  return false;
}

void VirtualTime::Clear() {
  // What is forgotten may ask for more while it goes.
  while (!due_.empty()) std::exchange(due_, {});
}

class Machine::MachineTimer final : public Timer {
 public:
  explicit MachineTimer(std::shared_ptr<VirtualTime::Entry> entry) : entry_(std::move(entry)) {}
  ~MachineTimer() override { entry_->callback = nullptr; }

 private:
  const std::shared_ptr<VirtualTime::Entry> entry_;
};

Machine::Machine(VirtualTime& time, std::string name, Chance chance)
    : time_(time),
      name_(std::move(name)),
      chance_(chance),
      started_(time.Now()),
      ahead_(chance_.Between(Duration::zero(), std::chrono::hours(1000))),
      fast_(chance_.Below(2 * kFastest + 1) - kFastest) {}

Instant Machine::LocalAt(Instant true_time) const {
  const Duration elapsed = true_time - started_;
  return started_ + ahead_ + elapsed + elapsed * fast_ / kMillion;
}

void Machine::Post(std::function<void()> callback) {
  if (dead_) return;
  const bool answer = answer_delay_ > Duration::zero();
  time_.At(time_.Now() + answer_delay_, {this, std::move(callback), answer});
}

std::unique_ptr<Timer> Machine::After(Duration delay, std::function<void()> callback) {
  const Duration rest = std::max(delay, Duration::zero());
  const Duration truly = rest * kMillion / (kMillion + fast_) + Duration(1);
  return std::make_unique<MachineTimer>(
      time_.At(time_.Now() + truly, {this, std::move(callback), false}));
}

void Machine::Arrive(Instant when, std::function<void()> callback) {
  if (!dead_) time_.At(when, {this, std::move(callback), true});
}

void Machine::Freeze() {
  if (frozen_ || dead_) return;
  frozen_ = true;
  freezings_.push_back({time_.Now(), Instant::max()});
}

void Machine::GoOn() {
  if (!frozen_ || dead_) return;
  frozen_ = false;
  freezings_.back().until = time_.Now();
  // The worst order: all timers find their time passed before a socket is read.
  for (const bool arrived : {false, true}) {
    for (const auto& entry : held_) {
      if (entry->arrived == arrived) time_.due_.push({time_.Now(), ++time_.asked_, entry});
    }
  }
  held_.clear();
}

void Machine::Kill() {
  dead_ = true;
  held_.clear();
}

Machine::Freezing Machine::LastFreezing(Duration length) const {
  for (auto freezing = freezings_.rbegin(); freezing != freezings_.rend(); ++freezing) {
    if (std::min(freezing->until, time_.Now()) - freezing->from > length) return *freezing;
  }
  return {};
}

}  // namespace vigil::sim
