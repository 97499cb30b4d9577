// The library's own thread: order, timers, and an end from anywhere.
#include "loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LoopTest, Tasks_RunInOrderAndBeforeTimersThatAreDue) {
  std::vector<int> ran;
  Loop loop;
  std::promise<void> begin;
  loop.Post([&] { begin.get_future().wait(); });
  loop.PostAt(BootClock::now() - seconds(1), [&] { ran.push_back(3); });
  loop.Post([&] { ran.push_back(1); });
  loop.Post([&] { ran.push_back(2); });
  begin.set_value();
  std::promise<void> end;
  loop.PostAt(BootClock::now(), [&] { end.set_value(); });
  end.get_future().wait();
  EXPECT_THAT(ran, ::testing::ElementsAre(1, 2, 3));
}

TEST(LoopTest, Timers_RunAtTheirTimeUnlessCancelled) {
  Loop loop;
  std::promise<Time> ran;
  bool cancelled_ran = false;
  const Time when = BootClock::now() + milliseconds(30);
  loop.Cancel(loop.PostAt(when - milliseconds(10), [&] { cancelled_ran = true; }));
  loop.PostAt(when, [&] { ran.set_value(BootClock::now()); });
  EXPECT_GE(ran.get_future().get(), when);
  EXPECT_FALSE(cancelled_ran);
  loop.Cancel(TimerId(77));
}

TEST(LoopTest, Destruction_ByItsOwnTask) {
  auto loop = std::make_unique<Loop>();
  std::promise<void> done;
  loop->Post([&] {
    loop.reset();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace
}  // namespace vigil::client
