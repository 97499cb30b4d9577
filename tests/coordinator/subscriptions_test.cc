// A subscriber's way through the log, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/subscriptions_fixture.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// P8: every event, in order, across the seam of replay and live.
TEST_F(SubscriptionsTest, FromOldest_ReplaysThenFollows) {
  Happen(*host_, 1200);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{});
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 1200);
  Happen(*host_, 3);
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 1203);
}

// P8: a log that is written without rest is joined all the same, right behind the reader.
TEST_F(SubscriptionsTest, BusyLog_WhoReplaysJoinsTheReaderThatHasGoneOn) {
  Happen(*host_, 5);
  const auto live = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, live);
  const auto replaying = cluster_.Subscribe(*host_, FromOldest{});  // its first page is written
  Happen(*host_, 3);
  cluster_.Read(*host_, live);
  host_->database.SetAway(true);  // it has no other way than to join
  cluster_.Read(*host_, replaying);
  ExpectContiguous(replaying->Events(), 1, 8);
}

// Those who begin from now at once share one snapshot, and what is made of it.
TEST_F(SubscriptionsTest, FromNow_ThoseWhoAskTogetherShareTheSnapshot) {
  Happen(*host_, 3);
  const SubscriptionRequest request{"default", FromNow{}, {}};
  std::vector<SubscriberHandle> subscribers;
  for (int i = 0; i < 4; ++i) {
    subscribers.push_back(std::make_shared<RecordedSubscriberStream>(cluster_.clock, request));
    host_->coordinator.subscriptions().Opened(subscribers.back(), request);
  }
  cluster_.scheduler.Settle();
  const auto part = [&](int i) { return std::get<DeliveredPods>(subscribers[i]->heard.front()); };
  EXPECT_EQ(part(0)->pods.size(), 3U);
  EXPECT_EQ(part(1), part(2));  // the first one's was under way already
  EXPECT_EQ(part(2), part(3));
}

// P8, P11: however many do not read theirs, the snapshots are bounded, and whoever gets an older
// one gets what happened since.
TEST_F(SubscriptionsTest, FromNow_NeverReadSnapshotsAreBounded) {
  Happen(*host_, 501);  // two parts, of which the second is never asked for
  std::vector<SubscriberHandle> stuck;
  for (size_t i = 0; i < Snapshots::kMost; ++i) {
    stuck.push_back(cluster_.Subscribe(*host_, FromNow{}));
  }
  Happen(*host_, 2);
  const auto late = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, late);
  EXPECT_EQ(std::get<DeliveredPods>(late->heard.front()),
            std::get<DeliveredPods>(stuck.back()->heard.front()));
  ExpectContiguous(late->Events(), 502, 503);
  EXPECT_EQ(cluster_.Subscribe(*host_, FromNow{}, "other")->reason, reason::kLimitReached);
}

// P8: the past comes at the subscriber's pace, even to the first one, for whom the reader begins.
TEST_F(SubscriptionsTest, Replay_NeverLags) {
  CoordinatorSettings settings = Patient();
  settings.subscriber_queue = {1, 1 << 20};
  SimulatedCluster cluster(settings);
  auto& host = cluster.Add();
  for (int i = 0; i < 3000; ++i) cluster.Register(host, "p" + std::to_string(i), Profile::kStrict);
  const auto subscriber = cluster.Subscribe(host, FromOldest{});
  cluster.scheduler.Advance(seconds(5));
  cluster.Read(host, subscriber);
  EXPECT_FALSE(subscriber->Ending());
  ExpectContiguous(subscriber->Events(), 1, 3000);
  EXPECT_THAT(cluster.Violations(), testing::IsEmpty());
}

TEST_F(SubscriptionsTest, Replay_EndsWithThePosition) {
  Happen(*host_, 3);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{});
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 3);
  ASSERT_TRUE(std::holds_alternative<PositionNotice>(subscriber->heard.back()));
  EXPECT_EQ(std::get<PositionNotice>(subscriber->heard.back()).cursor, At(3));
}

// P8
TEST_F(SubscriptionsTest, SlowReplay_MissesNothingThatHappensMeanwhile) {
  Happen(*host_, 600);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{});
  const auto live = cluster_.Subscribe(*host_, FromNow{});
  Happen(*host_, 700);
  cluster_.Read(*host_, live);
  cluster_.Read(*host_, subscriber);
  Happen(*host_, 1);
  cluster_.Read(*host_, live);
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 1301);
  ExpectContiguous(live->Events(), 601, 1301);
}

// P8: whoever is behind the reader reads on by itself, and joins where the reader stands.
TEST_F(SubscriptionsTest, SlowReplay_DoesNotJoinAReaderThatHasGoneOn) {
  Happen(*host_, 5);
  const auto live = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, live);
  const auto replaying = cluster_.Subscribe(*host_, FromOldest{});  // Its first page is written.
  Happen(*host_, 3);
  cluster_.Read(*host_, live);
  ExpectContiguous(live->Events(), 6, 8);
  cluster_.Read(*host_, replaying);
  ExpectContiguous(replaying->Events(), 1, 8);
  Happen(*host_, 1);
  cluster_.Read(*host_, replaying);
  ExpectContiguous(replaying->Events(), 1, 9);
}

TEST_F(SubscriptionsTest, FromNow_TheSnapshotAndWhatFollows) {
  Happen(*host_, 700);
  const auto subscriber = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, subscriber);
  ASSERT_EQ(subscriber->heard.size(), 2u);
  const auto& first = *std::get<DeliveredPods>(subscriber->heard[0]);
  const auto& last = *std::get<DeliveredPods>(subscriber->heard[1]);
  EXPECT_EQ(first.pods.size() + last.pods.size(), 700u);
  EXPECT_FALSE(first.cursor);
  EXPECT_EQ(*last.cursor, At(700));
  Happen(*host_, 1);
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 701, 701);
}

// P8: a cursor stands for a whole snapshot, so that nobody resumes behind pods that it never saw.
// P8
TEST_F(SubscriptionsTest, AfterCursor_ResumesRightThere) {
  Happen(*host_, 10);
  const auto subscriber = cluster_.Subscribe(*host_, At(4));
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 5, 10);
}

// P8: whoever cannot be served from where it stands is told so.
TEST_F(SubscriptionsTest, AfterCursor_OfALostEventHasExpired) {
  Happen(*host_, 4);
  const Cursor common = At(2);
  const Cursor lost = At(4);
  LoseEventsAfter(2);
  for (const int more : {0, 2, 3}) {  // behind it, right there, beyond it
    Happen(*host_, more);
    const auto subscriber = cluster_.Subscribe(*host_, lost);
    cluster_.scheduler.Advance(seconds(1));  // until a commit is acknowledged
    ASSERT_TRUE(subscriber->Ending());
    EXPECT_EQ(subscriber->Ending()->reason, EndReason::kExpired);
    EXPECT_FALSE(subscriber->Ending()->cursor);
  }
  const auto subscriber = cluster_.Subscribe(*host_, common);
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 3, 7);
}

// P8: a server that a failover left behind does not have it, and can be read, but acknowledges
// nothing.
TEST_F(SubscriptionsTest, AfterCursor_ThatADoubtfulServerDoesNotHaveIsLeftToAnother) {
  Happen(*host_, 4);
  const Cursor ahead = At(4);
  LoseEventsAfter(2);
  const auto subscriber = cluster_.Subscribe(*host_, ahead);
  host_->database.SetAway(true);
  cluster_.scheduler.Advance(seconds(3));
  EXPECT_FALSE(subscriber->Ending());
  EXPECT_TRUE(subscriber->ended);
  EXPECT_EQ(subscriber->reason, reason::kCoordinatorUntrusted);
}

// P8: one that was slow, so that the reader of the others has begun anew in the meantime.
// P8: those who follow live while the database fails over are told, too, and only those who stand
// on what was lost.
// P8: a verdict that is the very next by its number, after an event that is another one now.
// P8, P11: the queue is bounded, and its bound ends the subscription with a cursor to resume from.
// P11: one that does not read even that is cut off.
// However the last event fell between two positions, the next one does not come later.
TEST_F(SubscriptionsTest, Silence_IsBrokenAnIntervalAfterTheLastMessage) {
  const auto subscriber = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, subscriber);
  cluster_.scheduler.Advance(milliseconds(100));
  Happen(*host_, 1);
  cluster_.Read(*host_, subscriber);
  const size_t heard = subscriber->heard.size();
  cluster_.scheduler.Advance(milliseconds(4900));
  EXPECT_EQ(subscriber->heard.size(), heard);
  cluster_.scheduler.Advance(milliseconds(200));
  ASSERT_EQ(subscriber->heard.size(), heard + 1);
  EXPECT_TRUE(std::holds_alternative<PositionNotice>(subscriber->heard.back()));
}

TEST_F(SubscriptionsTest, Silence_IsBrokenByThePosition) {
  Happen(*host_, 2);
  const auto subscriber = cluster_.Subscribe(*host_, At(2));
  cluster_.scheduler.Advance(seconds(11));
  cluster_.Read(*host_, subscriber);
  ASSERT_FALSE(subscriber->heard.empty());
  const auto& position = std::get<PositionNotice>(subscriber->heard.back());
  EXPECT_EQ(position.cursor, At(2));
  EXPECT_EQ(position.head, Seq{2});
  EXPECT_LE(position.read_age, seconds(1));
}

// P8: without any wake-up, the poll finds everything.
TEST_F(SubscriptionsTest, WakeUpsLost_ThePollFindsEverything) {
  auto& deaf = cluster_.Add();
  deaf.database.SetDeaf(true);
  const auto subscriber = cluster_.Subscribe(deaf, FromNow{});
  cluster_.Read(deaf, subscriber);
  Happen(*host_, 5);
  cluster_.scheduler.Advance(seconds(2));
  cluster_.Read(deaf, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 5);
}

// P4: a coordinator that does not know of the events before its own verdict serves those first.
TEST_F(SubscriptionsTest, OwnVerdict_WaitsForTheEventsBeforeIt) {
  auto& deaf = cluster_.Add();
  deaf.database.SetDeaf(true);
  const auto victim = cluster_.RegisterAndBeat(deaf, "victim", Profile::kFast);
  const auto subscriber = cluster_.Subscribe(deaf, FromOldest{});
  cluster_.Read(deaf, subscriber);
  Happen(*host_, 3);

  cluster_.Break(deaf, victim);
  cluster_.Read(deaf, subscriber);

  ExpectContiguous(subscriber->Events(), 1, 5);
  EXPECT_EQ(subscriber->Events().back().kind, EventKind::kPodDied);
}

// P2, P8: what it has served as its own is not served again when it is read with what follows.
TEST_F(SubscriptionsTest, OwnVerdict_IsServedOnce) {
  const auto subscriber = cluster_.Subscribe(*host_, FromNow{});
  cluster_.Read(*host_, subscriber);
  for (int i = 0; i < 5; ++i) {
    const auto victim =
        cluster_.RegisterAndBeat(*host_, "victim-" + std::to_string(i), Profile::kFast);
    Happen(*host_, 1);
    cluster_.Break(*host_, victim);
  }
  cluster_.Read(*host_, subscriber);
  ExpectContiguous(subscriber->Events(), 1, 15);
}

// P8: wake-ups that never end keep no log from being read.
TEST_F(SubscriptionsTest, StormOfWakeUps_TheLogsAreRead) {
  auto& deaf = cluster_.Add();
  deaf.database.SetDeaf(true);
  const auto subscriber = cluster_.Subscribe(deaf, FromNow{});
  const auto other = cluster_.Subscribe(deaf, FromNow{}, "other");
  cluster_.Read(deaf, subscriber);
  cluster_.Read(deaf, other);
  Happen(*host_, 3);

  size_t heard_in_the_storm = 0;
  std::function<void(int)> storm = [&](int rest) {
    heard_in_the_storm = subscriber->Events().size();
    deaf.coordinator.event_log().Wake();
    if (rest > 0) cluster_.scheduler.Post([&storm, rest] { storm(rest - 1); });
  };
  storm(100);
  cluster_.scheduler.Settle();
  EXPECT_EQ(heard_in_the_storm, 3U);
}

// P8: what the filter leaves out moves the position on all the same, past and live.
TEST_F(SubscriptionsTest, Filter_DeliversWhatItChoosesAndTellsThePositionAfterTheRest) {
  const auto victim = cluster_.RegisterAndBeat(*host_, "victim", Profile::kFast);
  Happen(*host_, 700);
  const auto subscriber = cluster_.Subscribe(*host_, FromOldest{}, SimulatedCluster::kNamespace,
                                             {.kinds = {EventKind::kPodDied}});
  cluster_.Read(*host_, subscriber);
  EXPECT_TRUE(subscriber->Events().empty());
  EXPECT_EQ(std::get<PositionNotice>(subscriber->heard.back()).cursor, At(701));

  Happen(*host_, 2);
  cluster_.Break(*host_, victim);
  Happen(*host_, 3);
  cluster_.Read(*host_, subscriber);
  ASSERT_EQ(subscriber->Events().size(), 1U);
  EXPECT_EQ(subscriber->Events().front().kind, EventKind::kPodDied);
  cluster_.scheduler.Advance(seconds(6));
  cluster_.Read(*host_, subscriber);
  EXPECT_EQ(std::get<PositionNotice>(subscriber->heard.back()).cursor, At(707));
}

// What many get is one object, and so is what is made of it for the wire.
TEST_F(SubscriptionsTest, SameFilter_OneDeliveryForAll) {
  const EventFilter filter{.kinds = {EventKind::kPodRegistered}};
  std::vector<SubscriberHandle> subscribers;
  for (int i = 0; i < 3; ++i) {
    subscribers.push_back(
        cluster_.Subscribe(*host_, FromNow{}, SimulatedCluster::kNamespace, filter));
    cluster_.Read(*host_, subscribers.back());
  }
  Happen(*host_, 1);
  const auto& first = std::get<DeliveredEvents>(subscribers[0]->heard.back());
  for (const auto& subscriber : subscribers) {
    EXPECT_EQ(std::get<DeliveredEvents>(subscriber->heard.back()), first);
  }
}

// P8: who reads the past while the database is away stays, knows it, and gets the rest afterwards.
// However many there are, they do not all come back at once.

}  // namespace
}  // namespace vigil
