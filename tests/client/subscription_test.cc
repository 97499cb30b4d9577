// A subscription gets every event after its cursor, in order, whatever happens to the streams that
// carry them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "client/subscription_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  EXPECT_THAT(Seqs(), ElementsAre(2U));
}

TEST_F(SubscriptionTest, Subscribe_FromOldestAndAfterACursor) {  // P8
  Append(3);
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(3));
  EXPECT_THAT(Seqs(), ElementsAre(1U, 2U, 3U));
  Follow({.start = Cursor("1")});
  ASSERT_TRUE(AwaitSeq(3));
  EXPECT_THAT(Seqs(), ElementsAre(1U, 2U, 3U, 2U, 3U));
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
  EXPECT_THAT(Seqs(), ElementsAre(1U, 2U, 3U, 4U));
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
  EXPECT_THAT(seen.all(), ElementsAre(1U, 2U, 3U));
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
      writer.Write(ExpiredMessage(120, 340));
      return grpc::Status::OK;
    };
  });
  Follow({.start = Cursor("1")});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, Code::kOutOfRange);
  EXPECT_THAT(end->message, HasSubstr("Retained are the events 120 to 340"));
  EXPECT_EQ(end->metadata.at("cursor"), "1");
  EXPECT_EQ(end->metadata.at("oldest"), "120");
  EXPECT_EQ(end->metadata.at("head"), "340");
  EXPECT_EQ(b_.Count("subscribe"), 0);
}

TEST_F(SubscriptionTest, Subscribe_ExpiredWhenNothingIsRetained) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      writer.Write(ExpiredMessage(341, 340));
      return grpc::Status::OK;
    };
  });
  Follow({.start = Cursor("1")});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_THAT(end->message, HasSubstr("No event is retained; the last one was 340"));
}

TEST_F(SubscriptionTest, Subscribe_TheFilterGoesWithEveryRequest) {
  Append(1);
  Follow({.start = FromOldest{},
          .filter = {.kinds = {EventKind::kPodDied, EventKind::kPodLeft},
                     .pod_labels = {{"tier", "web"}}}});
  ASSERT_TRUE(AwaitSeq(1));
  a_.Kill();
  ASSERT_TRUE(cluster_.Await([&] { return b_.Count("subscribe") == 1; }));
  for (const auto& request : {a_.subscribe_requests()[0], b_.subscribe_requests()[0]}) {
    EXPECT_THAT(request.filter().kinds(),
                ElementsAre(v1::EVENT_KIND_POD_DIED, v1::EVENT_KIND_POD_LEFT));
    EXPECT_EQ(request.filter().pod_labels().at("tier"), "web");
  }
}

TEST_F(SubscriptionTest, Event_SaysWhatWasSeenAndWhen) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_POD_DIED);
  event.set_cause(v1::CAUSE_LOCK_FREE);
  event.set_evidence(v1::EVIDENCE_WEAK);
  event.mutable_detected_at()->set_seconds(100);
  event.mutable_occurred_at()->set_seconds(103);
  (*event.mutable_pod_labels())["tier"] = "web";
  cluster_.Append(event);
  Follow({.start = FromOldest{}});
  const auto seen = events_.Await(kAny);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->evidence, Evidence::kWeak);
  EXPECT_EQ(Name(seen->evidence), "WEAK");
  EXPECT_EQ(*seen->occurred_at - *seen->detected_at, std::chrono::seconds(3));
  EXPECT_EQ(seen->pod_labels.at("tier"), "web");
}

TEST_F(SubscriptionTest, Cursor_TextThatCanBeNoneIsRefusedBeforeAnythingIsSent) {
  for (const std::string& text : {std::string(), std::string("a cursor"), std::string("v1.0\n"),
                                  std::string("\xc3\xa9"), std::string(129, 'x')}) {
    Journal<Error> ends;
    Subscription subscription(Connect({&a_}), {.start = Cursor(text)},
                              {.on_end = [&](const Error& why) { ends.Add(why); }});
    const auto end = ends.Await(kAny);
    ASSERT_TRUE(end) << text;
    EXPECT_EQ(end->code, Code::kInvalidArgument);
    EXPECT_EQ(end->reason, Reason::kInvalidCursor);
  }
  EXPECT_EQ(a_.Count("subscribe"), 0);
}

TEST_F(SubscriptionTest, Cursor_KeptAsTextIsGoodForAnotherSubscription) {  // P8
  Append(2);
  std::string kept;
  {
    Journal<std::string> cursors;
    Subscription subscription(Connect({&a_}), {.start = FromOldest{}},
                              {.on_events = [&](std::span<const Event>, const Cursor& after) {
                                cursors.Add(after.text());
                              }});
    kept = cursors.Await(kAny).value();
  }
  Append(1);
  Follow({&b_}, {.start = Cursor(kept)});
  ASSERT_TRUE(AwaitSeq(3));
  EXPECT_THAT(Seqs(), ElementsAre(3U));
}

TEST_F(SubscriptionTest, Options_ThatMakeNoSenseAreRefusedBeforeAnythingIsSent) {
  using std::chrono::hours;
  for (const Subscription::Options& options :
       {Subscription::Options{.filter = {.kinds = {EventKind::kUnknown}}},
        Subscription::Options{.idle_timeout = Duration::zero()},
        Subscription::Options{.idle_timeout = Duration::max()},
        Subscription::Options{.read_tolerance = milliseconds(-1)},
        Subscription::Options{.read_tolerance = hours(2)}}) {
    Journal<Error> ends;
    Subscription subscription(Connect({&a_}), options,
                              {.on_end = [&](const Error& why) { ends.Add(why); }});
    const auto end = ends.Await(kAny);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, Code::kInvalidArgument);
    EXPECT_EQ(end->reason, Reason::kInvalidField);
  }
  EXPECT_EQ(a_.Count("subscribe"), 0);
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

}  // namespace
}  // namespace vigil::client
