#include "app/health_watch.h"

#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kInterval = std::chrono::milliseconds(100);
constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace

HealthWatch::HealthWatch(Environment environment)
    : env_(std::move(environment)), pods_{"pods", env_.loop}, log_{"the event log", env_.log_loop} {
  facts_.trust_window = env_.trust_window;
  facts_.unexamined = DatabaseUnavailable("the database has not been examined yet");
  published_ = HealthOf(facts_);
}

void HealthWatch::Start() {
  Publish();
  Look();
}

void HealthWatch::Look() {
  Ask(pods_, env_.link, facts_.link);
  Ask(log_, env_.log, facts_.log);
  Publish();
  timer_ = env_.scheduler.After(kInterval, [this] { Look(); });
}

template <typename T>
void HealthWatch::Ask(Loop& loop, const std::function<T()>& question, T& answer) {
  if (loop.asked) return;
  loop.asked = env_.clock.Now();
  loop.scheduler.Post([this, &loop, &question, &answer] {
    env_.scheduler.Post([&loop, &answer, found = question()] {
      loop.asked.reset();
      answer = found;
    });
  });
}

void HealthWatch::Examined(std::optional<Error> unfit) {
  facts_.unexamined = std::move(unfit);
  Publish();
}

void HealthWatch::Drain() {
  facts_.draining = true;
  Publish();
}

void HealthWatch::Publish() {
  facts_.halted.clear();
  for (const Loop* loop : {&pods_, &log_}) {
    if (loop->asked && env_.clock.Now() - *loop->asked >= kPatience) {
      facts_.halted.push_back(loop->name);
    }
  }
  Health health = HealthOf(facts_);
  env_.show(health);
  const std::lock_guard lock(mutex_);
  published_ = std::move(health);
}

Health HealthWatch::Now() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

}  // namespace vigil
