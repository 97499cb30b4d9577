// How subscriptions end, and what does not end them, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/subscriptions_fixture.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(SubscriptionsTest, Drain_InTheMiddleOfASnapshotHandsOutNoCursor) {
  Happen(*host_, 700);
  const auto subscriber = cluster_.Subscribe(*host_, FromNow{});
  host_->coordinator.Drain(milliseconds(1), [] {});
  cluster_.scheduler.Settle();
  cluster_.Read(*host_, subscriber);
  ASSERT_TRUE(subscriber->Ending());
  EXPECT_EQ(subscriber->Ending()->reason, EndReason::kDraining);
  EXPECT_FALSE(subscriber->Ending()->cursor);
}

// A notice says where the log stands, as any message does.
TEST_F(SubscriptionsTest, Drain_WhoMayNotFollowAnyMoreHearsThatInstead) {
  bool granted = true;
  const auto refusal = [&granted]() -> std::optional<Error> {
    if (granted) return std::nullopt;
    return NotGranted("web", "Subscribe", "the namespace 'default'", "subscriber");
  };
  SubscriptionRequest request{"default", FromNow{}, {}};
  request.refusal = refusal;
  const auto follow = [&] {
    auto subscriber = std::make_shared<RecordedSubscriberStream>(cluster_.clock, request);
    host_->coordinator.subscriptions().Opened(subscriber, request);
    cluster_.scheduler.Settle();
    return subscriber;
  };
  const auto idle = follow();
  cluster_.Read(*host_, idle);
  const auto writing = follow();
  granted = false;
  host_->coordinator.Drain(milliseconds(1), [] {});
  cluster_.scheduler.Settle();
  cluster_.Read(*host_, writing);
  for (const auto& subscriber : {idle, writing}) {
    EXPECT_FALSE(subscriber->Ending());
    EXPECT_EQ(subscriber->reason, reason::kNotGranted);
  }
}

TEST_F(SubscriptionsTest, EventsLost_WhoStandsAheadOfTheReaderExpires) {
  auto& other = cluster_.Add();
  for (const int more : {0, 1, 2, 3}) {
    SCOPED_TRACE(more);
    const uint64_t head = cluster_.Log().size();
    Happen(*host_, 4);
    const auto slow = cluster_.Subscribe(*host_, FromOldest{});
    LoseEventsAfter(head + 2);
    Happen(other, 1);
    const auto reader = cluster_.Subscribe(*host_, FromNow{});
    cluster_.Read(*host_, reader);
    cluster_.Read(*host_, slow);
    Happen(other, more);
    cluster_.scheduler.Advance(seconds(3));
    cluster_.Read(*host_, slow);
    ASSERT_TRUE(slow->Ending());
    EXPECT_EQ(slow->Ending()->reason, EndReason::kExpired);
    ExpectContiguous(slow->Events(), 1, head + 4);
    cluster_.Read(*host_, reader);
    EXPECT_FALSE(reader->Ending());
    if (more > 0) ExpectContiguous(reader->Events(), head + 4, head + 3 + more);
  }
}

TEST_F(SubscriptionsTest, EventsLost_LiveSubscribersAtThemExpire) {
  auto& other = cluster_.Add();
  host_->database.SetDeaf(true);  // so that it looks at the log when all of this has happened
  for (const int more : {0, 2, 3}) {
    SCOPED_TRACE(more);
    const uint64_t head = cluster_.Log().size();
    Happen(*host_, 4);
    const auto live = cluster_.Subscribe(*host_, FromNow{});
    cluster_.Read(*host_, live);
    Happen(*host_, 1);
    cluster_.Read(*host_, live);
    LoseEventsAfter(head + 3);
    Happen(other, more);
    const auto later = cluster_.Subscribe(*host_, FromNow{});
    cluster_.scheduler.Advance(seconds(2));
    cluster_.Read(*host_, live);
    ASSERT_TRUE(live->Ending());
    EXPECT_EQ(live->Ending()->reason, EndReason::kExpired);
    ExpectContiguous(live->Events(), head + 5, head + 5);

    Happen(*host_, 1);
    cluster_.Read(*host_, later);
    EXPECT_FALSE(later->Ending());
    ExpectContiguous(later->Events(), head + 4 + more, head + 4 + more);
  }
}

TEST_F(SubscriptionsTest, EventsLost_OwnVerdictIsNotServedAfterThem) {
  const auto victim = cluster_.RegisterAndBeat(*host_, "victim", Profile::kFast);
  Happen(*host_, 1);
  auto& deaf = cluster_.Add();
  deaf.database.SetDeaf(true);
  const auto live = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, live);
  LoseEventsAfter(1);
  host_->database.SetDeaf(true);
  Happen(deaf, 1);
  cluster_.Break(*host_, victim);
  cluster_.Read(*host_, live);
  EXPECT_TRUE(live->Events().empty());
  cluster_.scheduler.Advance(seconds(1));
  cluster_.Read(*host_, live);
  ASSERT_TRUE(live->Ending());
  EXPECT_EQ(live->Ending()->reason, EndReason::kExpired);
  EXPECT_TRUE(live->Events().empty());
}

TEST_F(SubscriptionsTest, NeverReading_HasLagged) {
  CoordinatorSettings settings;
  settings.subscriber_queue = {10, 1 << 20};
  SimulatedCluster cluster(settings);
  auto& host = cluster.Add();
  const auto subscriber = cluster.Subscribe(host, FromNow{});
  cluster.Read(host, subscriber);
  for (int i = 0; i < 20; ++i) cluster.Register(host, "p" + std::to_string(i), Profile::kStrict);
  cluster.Read(host, subscriber);
  ASSERT_TRUE(subscriber->Ending());
  EXPECT_EQ(subscriber->Ending()->reason, EndReason::kLagged);
  const Cursor resume = *subscriber->Ending()->cursor;
  EXPECT_EQ(resume.position, subscriber->Events().back().position());
  const auto again = cluster.Subscribe(host, resume);
  cluster.Read(host, again);
  ExpectContiguous(again->Events(), resume.position.seq.value + 1, 20);
  EXPECT_THAT(cluster.Violations(), testing::IsEmpty());
}

TEST_F(SubscriptionsTest, NeverReading_IsCutOffInTheEnd) {
  CoordinatorSettings settings;
  settings.subscriber_queue = {1, 1 << 20};
  SimulatedCluster cluster(settings);
  auto& host = cluster.Add();
  const auto subscriber = cluster.Subscribe(host, FromNow{});
  cluster.Read(host, subscriber);
  for (int i = 0; i < 5; ++i) cluster.Register(host, "p" + std::to_string(i), Profile::kStrict);
  EXPECT_FALSE(subscriber->ended);
  cluster.scheduler.Advance(seconds(11));
  EXPECT_TRUE(subscriber->ended);
}

TEST_F(SubscriptionsTest, DatabaseAway_ThePositionSaysThatTheLogIsNotRead) {
  Happen(*host_, 2);
  const auto subscriber = cluster_.Subscribe(*host_, At(2));
  host_->database.SetAway(true);
  for (int i = 0; i < 7; ++i) {
    cluster_.scheduler.Advance(seconds(5));
    cluster_.Read(*host_, subscriber);
  }
  EXPECT_GE(std::get<PositionNotice>(subscriber->heard.back()).read_age, seconds(25));
}

TEST_F(SubscriptionsTest, DatabaseAway_ReplayGoesOnAfterwards) {
  Happen(*host_, 600);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{});  // its first page is written
  host_->database.SetAway(true);
  for (int i = 0; i < 7; ++i) {
    cluster_.Read(*host_, subscriber);
    cluster_.scheduler.Advance(seconds(5));
  }
  EXPECT_FALSE(subscriber->ended);
  EXPECT_GE(std::get<PositionNotice>(subscriber->heard.back()).read_age, seconds(25));
  EXPECT_FALSE(host_->coordinator.event_log().Readable());
  host_->database.SetAway(false);
  for (int i = 0; i < 3; ++i) {
    cluster_.scheduler.Advance(seconds(5));
    cluster_.Read(*host_, subscriber);
  }
  // The outage was longer than the trust window, so the pods have become SUSPECT.
  EXPECT_GT(subscriber->Events().size(), 600U);
  ExpectContiguous(subscriber->Events(), 1, cluster_.Log().size());
  EXPECT_TRUE(host_->coordinator.event_log().Readable());
}

// P8: one that is ahead of the reader when its events are lost hears of it at the next look, with
// others to look for, too.
TEST_F(SubscriptionsTest, EventsLost_WhoIsAheadOfTheReaderExpires) {
  host_->database.SetDeaf(true);
  const auto other = cluster_.Subscribe(*host_, FromNow{}, "other");
  const auto early = cluster_.Subscribe(*host_, FromOldest{});
  cluster_.Read(*host_, other);
  cluster_.Read(*host_, early);
  auto& writer = cluster_.Add();
  Happen(writer, 3);
  const auto ahead = cluster_.Subscribe(*host_, FromOldest{});
  host_->lane.StallNext(seconds(2));  // the look that would bring the reader there
  cluster_.Read(*host_, ahead);
  ExpectContiguous(ahead->Events(), 1, 3);
  LoseEventsAfter(0);
  cluster_.scheduler.Advance(seconds(4));
  cluster_.Read(*host_, ahead);
  ASSERT_TRUE(ahead->Ending());
  EXPECT_EQ(ahead->Ending()->reason, EndReason::kExpired);
}

// A reading that never comes back is no outage: nothing but a restart mends it, and health says so.
TEST_F(SubscriptionsTest, ReadingNeverAnswered_TheReaderHasGivenUp) {
  const auto subscriber = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, subscriber);
  host_->database.SetAway(true);
  cluster_.scheduler.Advance(seconds(60));
  EXPECT_FALSE(host_->coordinator.event_log().GaveUp());  // it is answered that it is away
  host_->database.SetAway(false);
  host_->lane.DelayAnswers(std::chrono::hours(1));
  cluster_.scheduler.Advance(seconds(10));
  EXPECT_FALSE(host_->coordinator.event_log().GaveUp());
  cluster_.scheduler.Advance(seconds(15));
  EXPECT_TRUE(host_->coordinator.event_log().GaveUp());
  EXPECT_FALSE(host_->coordinator.event_log().Readable());
}

TEST_F(SubscriptionsTest, DatabaseAway_WhoHasReadNothingYetIsSentElsewhere) {
  Happen(*host_, 2);
  host_->database.SetAway(true);
  EXPECT_EQ(cluster_.Subscribe(*host_, At(1))->reason, reason::kDatabaseUnavailable);
}

TEST_F(SubscriptionsTest, Drain_EndsManyOneAfterAnother) {
  std::vector<SubscriberHandle> subscribers;
  for (int i = 0; i < 1000; ++i) {
    subscribers.push_back(cluster_.Subscribe(*host_, FromNow{}));
    cluster_.Read(*host_, subscribers.back());
  }
  const auto ended = [&] {
    return std::ranges::count_if(subscribers, [](const auto& one) { return one->ended; });
  };
  bool done = false;
  host_->coordinator.Drain(seconds(4), [&] { done = true; });
  cluster_.scheduler.Advance(milliseconds(100));
  EXPECT_GT(ended(), 50);
  EXPECT_LT(ended(), 200);
  EXPECT_FALSE(done);
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_EQ(ended(), 1000);
  EXPECT_TRUE(done);
}

TEST_F(SubscriptionsTest, Drain_EndsWithACursorToGoOnFrom) {
  Happen(*host_, 2);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{});
  cluster_.Read(*host_, subscriber);
  host_->coordinator.Drain(milliseconds(1), [] {});
  cluster_.scheduler.Settle();
  ASSERT_TRUE(subscriber->Ending());
  EXPECT_EQ(subscriber->Ending()->reason, EndReason::kDraining);
  EXPECT_EQ(subscriber->Ending()->cursor, At(2));
  EXPECT_EQ(cluster_.Subscribe(*host_, FromNow{})->reason, reason::kDraining);
}

}  // namespace
}  // namespace vigil
