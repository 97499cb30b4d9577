#include "http/pulse.h"

#include <gtest/gtest.h>

#include <deque>

namespace vigil {
namespace {

using std::chrono::seconds;

class SettableClock final : public Clock {
 public:
  Instant Now() const override { return now; }
  Instant now{seconds(100)};
};

// Turns when it is told to.
class HaltedLoop final : public Scheduler {
 public:
  void Post(std::function<void()> callback) override { posted.push_back(std::move(callback)); }
  std::unique_ptr<Timer> After(Duration, std::function<void()>) override { return nullptr; }

  void Turn() {
    while (!posted.empty()) {
      const auto callback = std::move(posted.front());
      posted.pop_front();
      callback();
    }
  }

  std::deque<std::function<void()>> posted;
};

TEST(Pulse, ALoopThatDoesNotTurnIsNoticed) {
  SettableClock clock;
  HaltedLoop turning;
  HaltedLoop halted;
  HttpContext context;
  Pulse pulse(clock, {&turning, &halted}, context);
  pulse.Start();
  turning.Turn();
  context.poll();
  clock.now += seconds(9);
  EXPECT_TRUE(pulse.AllTurn());
  clock.now += seconds(1);
  EXPECT_FALSE(pulse.AllTurn());
  EXPECT_EQ(halted.posted.size(), 1u) << "it is not asked again meanwhile";
  halted.Turn();
  context.poll();
  EXPECT_TRUE(pulse.AllTurn());
}

}  // namespace
}  // namespace vigil
