#include "base/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <atomic>
#include <future>
#include <memory>
#include <string>
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

TEST(EventLoop, Dispatch_RunsInsideTheCallUnlessAnotherRuns) {
  EventLoop loop;
  std::vector<int> ran;
  loop.Dispatch([&] {
    ran.push_back(1);
    loop.Dispatch([&] { ran.push_back(3); });
    ran.push_back(2);
  });
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(EventLoop, Dispatch_NoTwoRunAtOnceWhoeverAsks) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 2000;
  EventLoop loop;
  int ran = 0;  // not atomic: what runs is alone
  const auto count = [&] {
    if (++ran == 3 * kThreads * kTimes) loop.Stop();
  };
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kTimes; ++k) {
        loop.Dispatch(count);
        loop.Post(count);
        loop.Dispatch([&] { timers.push_back(loop.After(1us, count)); });
      }
    });
  }
  loop.Run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, 3 * kThreads * kTimes);
}

TEST(EventLoop, Dispatch_LeavesAFloodToTheLoop) {
  constexpr int kFlood = 1000;
  EventLoop loop;
  int ran = 0;
  loop.Dispatch([&] {
    for (int i = 0; i < kFlood; ++i) {
      loop.Dispatch([&] {
        if (++ran == kFlood) loop.Stop();
      });
    }
  });
  EXPECT_LT(ran, kFlood);
  loop.Run();
  EXPECT_EQ(ran, kFlood);
}

TEST(EventLoop, Dispatch_NothingRunsOnceRunIsOver) {
  EventLoop loop;
  std::atomic<bool> over = false;
  std::atomic<bool> after = false;
  std::atomic<int> ran = 0;
  std::thread other([&] {
    while (!over) {
      loop.Dispatch([&] {
        ++ran;
        if (over) after = true;
      });
    }
    loop.Dispatch([&] { after = true; });
  });
  while (ran == 0) std::this_thread::yield();
  loop.Post([&] { loop.Stop(); });
  loop.Run();
  over = true;
  other.join();
  EXPECT_FALSE(after);
}

TEST(EventLoop, Run_OnceMoreGoesOnWithWhatWasLeft) {
  EventLoop loop;
  std::vector<int> ran;
  std::promise<void> begun;
  std::thread other([&] {
    loop.Dispatch([&] {
      loop.Dispatch([&] { ran.push_back(1); });
      loop.Stop();
      begun.set_value();
      // Until Run() is over, and what is dispatched is dropped.
      bool dropped = false;
      while (!dropped) {
        const auto token = std::make_shared<int>();
        loop.Dispatch([token] {});
        dropped = token.use_count() == 1;
      }
    });
  });
  begun.get_future().wait();
  loop.Run();
  other.join();
  EXPECT_THAT(ran, ElementsAre());

  loop.context().restart();
  loop.Post([&] {
    ran.push_back(2);
    loop.Stop();
  });
  loop.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(EventLoopDeathTest, AnExceptionEndsTheProcessOnWhateverThread) {
  EXPECT_DEATH(
      {
        try {
          EventLoop().Dispatch([] { static_cast<void>(std::string().at(0)); });
        } catch (...) {
        }
      },
      "out_of_range");
}

TEST(EventLoop, Dispatch_KeepsTheOrderOfWhatIsPostedWhoeverPosts) {
  EventLoop loop;
  std::vector<int> ran;
  const auto post = [&](int number) {
    loop.Post([&, number] {
      ran.push_back(number);
      if (ran.size() == 2) loop.Stop();
    });
  };
  // As a socket does it; and before the loop's thread goes on, another one has its turn.
  asio::post(loop.context(), [&] {
    loop.Dispatch([&] { post(1); });
    std::thread([&] { loop.Dispatch([&] { post(2); }); }).join();
  });
  loop.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2));
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
