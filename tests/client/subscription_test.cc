// A subscription gets every event after its cursor, in order, whatever happens to the streams that
// carry them.
#include "vigil/subscription.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "client/journal.h"
#include "client/scripted_coordinator.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;

using Writer = grpc::ServerWriter<v1::SubscribeResponse>;

v1::SubscribeResponse EventsMessage(std::initializer_list<std::uint64_t> seqs) {
  v1::SubscribeResponse response;
  for (const std::uint64_t seq : seqs) response.mutable_events()->add_events()->set_seq(seq);
  response.mutable_events()->set_cursor(std::to_string(*std::prev(seqs.end())));
  return response;
}

v1::SubscribeResponse EndMessage(v1::EndReason reason) {
  v1::SubscribeResponse response;
  response.mutable_end()->set_reason(reason);
  return response;
}

class SubscriptionTest : public ::testing::Test {
 protected:
  Client Connect(std::initializer_list<ScriptedCoordinator*> coordinators) {
    Client::Options options{.spread = false};
    for (const auto* coordinator : coordinators)
      options.addresses.push_back(coordinator->address());
    return *Client::Create(std::move(options));
  }

  void Follow(Subscription::Options options) { Follow({&a_, &b_}, std::move(options)); }

  void Follow(std::initializer_list<ScriptedCoordinator*> coordinators,
              Subscription::Options options) {
    subscription_.emplace(
        Connect(coordinators), std::move(options),
        Subscription::Callbacks{
            .on_snapshot =
                [this](std::span<const Pod> pods, const Cursor& cursor) {
                  snapshots_.Add({{pods.begin(), pods.end()}, cursor});
                },
            .on_events =
                [this](std::span<const Event> events, const Cursor&) {
                  for (const Event& event : events) events_.Add(event);
                },
            .on_position = [this](const Position& position) { positions_.Add(position); },
            .on_interrupted = [this](const Error& why) { interruptions_.Add(why); },
            .on_end = [this](const Error& why) { ends_.Add(why); }});
  }

  void Append(int count = 1) {
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      event.set_kind(v1::EVENT_KIND_POD_DIED);
      cluster_.Append(event);
    }
  }

  bool AwaitSeq(std::uint64_t seq) {
    return events_.Await([seq](const Event& event) { return event.seq == Seq(seq); }).has_value();
  }

  std::vector<std::uint64_t> Seqs() const {
    std::vector<std::uint64_t> seqs;
    for (const Event& event : events_.all()) seqs.push_back(event.seq.value());
    return seqs;
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  ScriptedCoordinator b_{cluster_, 2};
  Journal<std::pair<std::vector<Pod>, Cursor>> snapshots_;
  Journal<Event> events_;
  Journal<Position> positions_;
  Journal<Error> interruptions_;
  Journal<Error> ends_;
  std::optional<Subscription> subscription_;
};

const auto kAny = [](const auto&) { return true; };

TEST_F(SubscriptionTest, Subscribe_FromNowBeginsWithTheLivingPods) {  // P8
  v1::Register request;
  request.set_name("web-1");
  cluster_.Register(request, 1);
  Follow({.start = FromNow{}});
  const auto snapshot = snapshots_.Await(kAny);
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->first.size(), 1U);
  EXPECT_EQ(snapshot->first[0].name, "web-1");
  EXPECT_EQ(snapshot->second, Cursor("1"));
  Append();
  ASSERT_TRUE(AwaitSeq(2));
  EXPECT_THAT(Seqs(), ::testing::ElementsAre(2U));
}

TEST_F(SubscriptionTest, Subscribe_FromOldestAndAfterACursor) {  // P8
  Append(3);
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(3));
  EXPECT_THAT(Seqs(), ::testing::ElementsAre(1U, 2U, 3U));
  Follow({.start = Cursor("1")});
  ASSERT_TRUE(AwaitSeq(3));
  EXPECT_THAT(Seqs(), ::testing::ElementsAre(1U, 2U, 3U, 2U, 3U));
}

TEST_F(SubscriptionTest, Subscribe_ASnapshotInPartsIsDeliveredAsOne) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      for (const char* cursor : {"", "", "7"}) {
        v1::SubscribeResponse part;
        part.mutable_snapshot()->add_pods()->set_name("p");
        part.mutable_snapshot()->set_cursor(cursor);
        writer.Write(part);
      }
      return grpc::Status::OK;
    };
  });
  Follow({&a_}, {.start = FromNow{}});
  const auto snapshot = snapshots_.Await(kAny);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->first.size(), 3U);
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("subscribe") >= 2; }));
  EXPECT_EQ(a_.subscribe_requests()[1].after_cursor(), "7");
}

TEST_F(SubscriptionTest, Subscribe_Resumable) {  // P8
  Append(2);
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(2));
  a_.Kill();
  Append(2);
  ASSERT_TRUE(AwaitSeq(4));
  EXPECT_THAT(Seqs(), ::testing::ElementsAre(1U, 2U, 3U, 4U));
  EXPECT_EQ(b_.subscribe_requests()[0].after_cursor(), "2");
  EXPECT_TRUE(interruptions_.Await(kAny));
}

TEST_F(SubscriptionTest, Subscribe_ResumesFromAPosition) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      v1::SubscribeResponse position;
      position.mutable_position()->set_cursor("5");
      position.mutable_position()->set_head(5);
      position.mutable_position()->mutable_read_age()->set_nanos(3'000'000);
      writer.Write(position);
      return grpc::Status::OK;
    };
  });
  Follow({.start = FromOldest{}});
  const auto position = positions_.Await(kAny);
  ASSERT_TRUE(position);
  EXPECT_EQ(position->head, Seq(5));
  EXPECT_EQ(position->read_age, milliseconds(3));
  ASSERT_TRUE(cluster_.Await([&] { return b_.Count("subscribe") == 1; }));
  EXPECT_EQ(b_.subscribe_requests()[0].after_cursor(), "5");
}

TEST_F(SubscriptionTest, Subscribe_WhatWasNotAppliedComesAgain) {  // P8: at least once
  std::promise<void> release;
  auto released = release.get_future().share();
  Journal<std::uint64_t> seen;
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      writer.Write(EventsMessage({1, 2}));
      writer.Write(EventsMessage({3}));
      return grpc::Status::OK;
    };
  });
  Append(3);
  Subscription subscription(Connect({&a_, &b_}), {.start = FromOldest{}},
                            {.on_events = [&](std::span<const Event> events, const Cursor&) {
                              if (events[0].seq == Seq(1)) released.wait();
                              for (const Event& event : events) seen.Add(event.seq.value());
                            }});
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("subscribe") == 1; }));
  a_.BreakStreams();  // while the first batch is being applied
  release.set_value();
  ASSERT_TRUE(seen.Await([](std::uint64_t seq) { return seq == 3; }));
  EXPECT_THAT(seen.all(), ::testing::ElementsAre(1U, 2U, 3U));
}

TEST_F(SubscriptionTest, Subscribe_ResumesByItselfAfterLaggedAndDraining) {
  for (const auto reason : {v1::END_REASON_LAGGED, v1::END_REASON_DRAINING}) {
    Cluster cluster;
    ScriptedCoordinator coordinator(cluster, 1);
    coordinator.Change([&](auto& script) {
      script.subscribe = [reason](const v1::SubscribeRequest& request, Writer& writer,
                                  grpc::ServerContext&) {
        writer.Write(EventsMessage({request.has_after_cursor() ? 2U : 1U}));
        writer.Write(EndMessage(reason));
        return grpc::Status::OK;
      };
    });
    Follow({&coordinator}, {.start = FromOldest{}});
    EXPECT_TRUE(AwaitSeq(1));
    EXPECT_TRUE(AwaitSeq(2));
    subscription_.reset();
  }
  EXPECT_TRUE(ends_.all().empty());
}

TEST_F(SubscriptionTest, Subscribe_ReportsThatTheCursorExpired) {  // P8
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      writer.Write(EndMessage(v1::END_REASON_EXPIRED));
      return grpc::Status::OK;
    };
  });
  Follow({.start = Cursor("1")});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, Code::kOutOfRange);
  EXPECT_EQ(b_.Count("subscribe"), 0);
}

TEST_F(SubscriptionTest, Subscribe_ReportsWhatRetryingCannotMend) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer&, grpc::ServerContext&) {
      return Refusal(grpc::StatusCode::INVALID_ARGUMENT, v1::ERROR_REASON_INVALID_CURSOR,
                     "no cursor");
    };
  });
  Follow({.start = Cursor("nonsense")});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->reason, Reason::kInvalidCursor);
}

TEST_F(SubscriptionTest, Subscribe_ReportsTheFirstFailureAfterOneRound) {
  a_.Kill();
  b_.Kill();
  Follow({.start = FromOldest{}});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, Code::kUnavailable);
}

TEST_F(SubscriptionTest, Subscribe_RetriesTheFirstFailureWhenAskedTo) {
  std::atomic<int> refusals = 5;
  a_.Change([&](auto& script) {
    script.subscribe = [&](const auto&, Writer& writer, grpc::ServerContext&) {
      if (refusals-- > 0) {
        return Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_DATABASE_UNAVAILABLE,
                       "away");
      }
      writer.Write(EventsMessage({1}));
      return grpc::Status::OK;
    };
  });
  Follow({&a_}, {.start = FromOldest{}, .retry_first = true});
  EXPECT_TRUE(AwaitSeq(1));
  EXPECT_TRUE(ends_.all().empty());
}

TEST_F(SubscriptionTest, Subscribe_DropsAStreamThatIsSilent) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext& context) {
      writer.Write(EventsMessage({1}));
      std::mutex mutex;
      std::condition_variable never;
      std::unique_lock lock(mutex);
      while (!context.IsCancelled()) never.wait_for(lock, milliseconds(10));
      return grpc::Status::CANCELLED;
    };
  });
  Append(2);
  Follow({.start = FromOldest{}, .idle_timeout = milliseconds(500)});
  ASSERT_TRUE(AwaitSeq(2));
  EXPECT_EQ(b_.subscribe_requests()[0].after_cursor(), "1");
  EXPECT_EQ(interruptions_.Await(kAny)->code, Code::kDeadlineExceeded);
}

TEST_F(SubscriptionTest, Subscribe_ASlowCallbackIsNoSilence) {
  Append(1);
  std::promise<void> entered;
  Subscription subscription(Connect({&a_}),
                            {.start = FromOldest{}, .idle_timeout = milliseconds(300)},
                            {.on_events =
                                 [&](std::span<const Event>, const Cursor&) {
                                   cluster_.EventsAfter(100, milliseconds(600));
                                   entered.set_value();
                                 },
                             .on_interrupted = [&](const Error& why) { interruptions_.Add(why); }});
  entered.get_future().wait();
  EXPECT_EQ(a_.Count("subscribe"), 1);
  EXPECT_TRUE(interruptions_.all().empty());
}

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

}  // namespace
}  // namespace vigil::client
