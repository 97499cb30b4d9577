// A subscription ends when it is told to, on any thread and at any moment, and touches nothing of
// the application's afterwards.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "client/subscription_fixture.h"

namespace vigil::client {
namespace {

TEST_F(SubscriptionTest, Cancel_FromACallbackIsTheLastOne) {
  Append(1);
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(1));
  std::optional<Subscription> self;
  std::promise<void> cancelled;
  int callbacks = 0;
  Client client = Connect({&a_});
  std::promise<void> made;
  auto is_made = made.get_future().share();
  self.emplace(client, Subscription::Options{.start = FromOldest{}},
               Subscription::Callbacks{.on_events = [&](std::span<const Event>, const Cursor&) {
                 is_made.wait();
                 ++callbacks;
                 self->Cancel();
                 cancelled.set_value();
               }});
  made.set_value();
  cancelled.get_future().wait();
  Append(1);
  ASSERT_TRUE(AwaitSeq(2));
  self.reset();
  EXPECT_EQ(callbacks, 1);
}

TEST_F(SubscriptionTest, Destruction_WaitsForTheCallbackThatRuns) {
  Append(1);
  std::promise<void> entered;
  std::promise<void> release;
  std::atomic<bool> returned = false;
  auto subscription = std::make_unique<Subscription>(
      Connect({&a_}), Subscription::Options{.start = FromOldest{}},
      Subscription::Callbacks{.on_events = [&](std::span<const Event>, const Cursor&) {
        entered.set_value();
        release.get_future().wait();
        returned = true;
      }});
  entered.get_future().wait();
  std::thread destroyer([&] { subscription.reset(); });
  release.set_value();
  destroyer.join();
  EXPECT_TRUE(returned);
}

TEST_F(SubscriptionTest, Destruction_ByItsOwnCallback) {
  Append(1);
  std::promise<void> made;
  std::promise<void> destroyed;
  auto is_made = made.get_future().share();
  std::unique_ptr<Subscription> subscription;
  subscription = std::make_unique<Subscription>(
      Connect({&a_}), Subscription::Options{.start = FromOldest{}},
      Subscription::Callbacks{.on_events = [&](std::span<const Event>, const Cursor&) {
        is_made.wait();
        subscription.reset();
        destroyed.set_value();
      }});
  made.set_value();
  destroyed.get_future().wait();
}

TEST_F(SubscriptionTest, Destruction_ByItsOwnCallbackWhicheverItIs) {
  v1::Register request;
  request.set_name("web-1");
  cluster_.Register(request, 1);
  for (const std::string which : {"snapshot", "position", "interrupted", "resumed", "end"}) {
    Cluster cluster;
    ScriptedCoordinator coordinator(cluster, 1);
    std::promise<void> made;
    auto is_made = made.get_future().share();
    std::promise<void> destroyed;
    std::unique_ptr<Subscription> subscription;
    const auto destroy = [&](const std::string& here) {
      is_made.wait();
      if (here != which || !subscription) return;
      subscription.reset();
      destroyed.set_value();
    };
    coordinator.Change([&](auto& script) {
      script.subscribe = [&](const v1::SubscribeRequest& asked, Writer& writer,
                             grpc::ServerContext&) {
        if (which == "end") writer.Write(EndMessage(v1::END_REASON_EXPIRED));
        v1::SubscribeResponse snapshot;
        snapshot.mutable_snapshot()->set_cursor("7");
        if (asked.has_from_now()) writer.Write(snapshot);
        writer.Write(PositionMessage(7, {}));
        return grpc::Status::OK;
      };
    });
    subscription = std::make_unique<Subscription>(
        Connect({&coordinator}), Subscription::Options{},
        Subscription::Callbacks{
            .on_snapshot = [&](std::span<const Pod>, const Cursor&) { destroy("snapshot"); },
            .on_position = [&](const Position&) { destroy("position"); },
            .on_interrupted = [&](const Error&) { destroy("interrupted"); },
            .on_resumed = [&](const Resumption&) { destroy("resumed"); },
            .on_end = [&](const Error&) { destroy("end"); }});
    made.set_value();
    destroyed.get_future().wait();
  }
}

TEST_F(SubscriptionTest, Cancel_FromManyThreadsAtOnce) {
  Append(100);
  std::atomic<int> callbacks = 0;
  std::atomic<int> ends = 0;
  auto subscription = std::make_unique<Subscription>(
      Connect({&a_, &b_}), Subscription::Options{.start = FromOldest{}},
      Subscription::Callbacks{
          .on_events = [&](std::span<const Event>, const Cursor&) { ++callbacks; },
          .on_end = [&](const Error&) { ++ends; }});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Append(1);
      subscription->Cancel();
      subscription->Cancel();
    });
  }
  for (std::thread& thread : threads) thread.join();
  subscription.reset();
  const int after_destruction = callbacks;
  Append(1);
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(109));  // whoever still listened would have heard it, too
  EXPECT_EQ(callbacks, after_destruction);
  EXPECT_EQ(ends, 0);
}

TEST_F(SubscriptionTest, Destruction_WhileItWaitsForTheNextAttempt) {
  Append(1);
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(1));
  a_.Kill();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(interruptions_.Await(kAny));
  const Time start = BootClock::now();
  subscription_.reset();
  EXPECT_LT(BootClock::now() - start, std::chrono::seconds(5));
  EXPECT_TRUE(ends_.all().empty());
}

// A coordinator that takes the connection and answers nothing, while it is asked whether it reads
// the log.
TEST_F(SubscriptionTest, Destruction_WhileAnotherCoordinatorIsAsked) {
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  a_.Change([](auto& script) { script.read_age = std::chrono::minutes(1); });
  const auto client = Client::Create(
      {.addresses = {a_.address(), "127.0.0.1:" + std::to_string(ntohs(address.sin_port))},
       .spread = false});
  subscription_.emplace(*client, Subscription::Options{},
                        Subscription::Callbacks{.on_position = [this](const Position& position) {
                          positions_.Add(position);
                        }});
  ASSERT_TRUE(positions_.Await(kAny));
  subscription_.reset();
  EXPECT_EQ(a_.Count("subscribe"), 1);
  close(silent);
}

}  // namespace
}  // namespace vigil::client
