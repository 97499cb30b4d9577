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
  published_ = facts_;
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

void HealthWatch::Connectable(std::optional<Error> fault) {
  facts_.unconnectable = std::move(fault);
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
  {
    const std::lock_guard lock(mutex_);
    published_ = facts_;
    published_at_ = env_.clock.Now();
  }
  // Last: whoever hears it there asks over HTTP at once.
  env_.show(HealthOf(facts_));
}

Health HealthWatch::Now() const {
  const std::lock_guard lock(mutex_);
  HealthFacts facts = published_;
  if (published_at_ && env_.clock.Now() - *published_at_ >= kPatience) {
    facts.halted.emplace_back("the health watch");
  }
  return HealthOf(facts);
}

}  // namespace vigil
