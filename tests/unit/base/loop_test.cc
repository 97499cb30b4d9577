#include "base/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vigil {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr auto kNever = std::chrono::hours(1);

TEST(EventLoop, Post_RunsInOrderAndNeverInsideTheCall) {
  EventLoop loop;
  std::vector<int> ran;
  loop.Post([&] {
    ran.push_back(1);
    loop.Post([&] {
      ran.push_back(3);
      loop.Stop();
    });
    EXPECT_THAT(ran, ElementsAre(1));
  });
  loop.Post([&] { ran.push_back(2); });
  EXPECT_THAT(ran, ElementsAre());
  loop.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(EventLoop, Post_FromAnyThread) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 200;
  EventLoop loop;
  int ran = 0;  // the loop's thread alone touches it
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kPosts; ++k) {
        loop.Post([&] {
          if (++ran == kThreads * kPosts) loop.Stop();
        });
      }
    });
  }
  loop.Run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kPosts);
}

TEST(EventLoop, Run_WaitsForWorkUntilItIsStopped) {
  EventLoop loop;
  bool ran = false;
  std::thread other([&] {
    loop.Post([&] {
      ran = true;
      loop.Stop();
    });
  });
  loop.Run();
  other.join();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, After_NotSooner) {
  EventLoop loop;
  SystemClock clock;
  Instant begin = clock.Now();
  Instant end;
  auto timer = loop.After(20ms, [&] {
    end = clock.Now();
    loop.Stop();
  });
  loop.Run();
  // The timer's clock stands still while the machine is suspended, and may tick more coarsely.
  EXPECT_GE(end - begin, 19ms);
}

TEST(EventLoop, After_TheSoonerFirst) {
  EventLoop loop;
  std::vector<int> ran;
  auto third = loop.After(15ms, [&] { loop.Stop(); });
  auto second = loop.After(5ms, [&] { ran.push_back(2); });
  auto first = loop.After(0ms, [&] { ran.push_back(1); });
  EXPECT_THAT(ran, ElementsAre());
  loop.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(EventLoop, After_ADestroyedTimerIsSilent) {
  EventLoop loop;
  bool ran = false;
  auto destroyed = loop.After(0ms, [&] { ran = true; });
  auto destroyed_when_due = loop.After(0ms, [&] { ran = true; });
  loop.Post([&] { destroyed_when_due.reset(); });
  destroyed.reset();
  auto end = loop.After(10ms, [&] { loop.Stop(); });
  loop.Run();
  EXPECT_FALSE(ran);
}

TEST(EventLoop, After_MayBeDestroyedInItsOwnCallback) {
  EventLoop loop;
  int ran = 0;
  std::unique_ptr<Timer> timer;
  std::function<void()> again = [&] {
    timer.reset();
    if (++ran == 3) return loop.Stop();
    timer = loop.After(1ms, again);
  };
  timer = loop.After(1ms, again);
  loop.Run();
  EXPECT_EQ(ran, 3);
}

TEST(EventLoop, Stop_LeavesWhatIsQueued) {
  EventLoop loop;
  bool ran = false;
  auto timer = loop.After(kNever, [&] { ran = true; });
  loop.Post([&] {
    loop.Post([&] { ran = true; });
    loop.Stop();
  });
  loop.Run();
  EXPECT_FALSE(ran);
}

TEST(SystemClock, NeverGoesBack) {
  SystemClock clock;
  Instant last = clock.Now();
  for (int i = 0; i < 1000; ++i) {
    Instant now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace vigil
