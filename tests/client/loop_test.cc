// The library's own thread: order, timers, and an end from anywhere.
#include "loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
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

// What a stream posts last lets the application destroy its client, while gRPC's thread is still in
// the call that posted it. ThreadSanitizer notices when that call goes on reading the loop, in so
// many rounds surely.
TEST(LoopTest, Destruction_WhileTheThreadThatPostedIsStillPosting) {
  for (int round = 0; round < 200; ++round) {
    const bool at_a_time = round % 2 == 1;
    auto loop = std::make_unique<Loop>();
    // Relaxed, so that it keeps the loop awake and orders nothing.
    std::atomic<bool> posted = false;
    loop->Post([&] {
      while (!posted.load(std::memory_order_relaxed)) std::this_thread::yield();
    });
    std::promise<void> ran;
    std::thread poster([&, &posts = *loop] {
      const auto task = [&] {
        loop.reset();
        ran.set_value();
      };
      if (at_a_time) {
        posts.PostAt(BootClock::now(), task);
      } else {
        posts.Post(task);
      }
      posted.store(true, std::memory_order_relaxed);
    });
    ran.get_future().wait();
    poster.join();
  }
}

}  // namespace
}  // namespace vigil::client
