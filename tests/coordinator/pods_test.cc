// What happens to pods, in simulated time: leases, evidence, verdicts, moves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr Duration kLease = seconds(3);

class Pods : public testing::Test {
 protected:
  SimulatedCluster cluster_;
};

TEST_F(Pods, Register_HostsWithALease) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  const auto* registered = pod->Last<RegisteredAnswer>();
  ASSERT_NE(registered, nullptr);
  EXPECT_EQ(registered->terms.lease, kLease);
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  EXPECT_TRUE(cluster_.Beat(host, pod));
}

TEST_F(Pods, StreamEnded_FastDiesAtOnce) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  cluster_.Break(host, pod);
  EXPECT_EQ(cluster_.Look("a").state, PodState::kDead);
  EXPECT_EQ(cluster_.Look("a").cause, Cause::kStreamEnded);
}

// P1: the pod may never have learnt of the session whose stream ended.
TEST_F(Pods, StreamEnded_BeforeTheFirstHeartbeatIsALostAnswer) {
  auto& host = cluster_.Add();
  const auto lost = cluster_.Register(host, "a", Profile::kFast);
  cluster_.Break(host, lost);
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);

  const auto lost_again = cluster_.Resume(host, lost);
  cluster_.Break(host, lost_again);
  cluster_.scheduler.Advance(seconds(2));
  const auto resumed = cluster_.Resume(host, lost);
  cluster_.KeepAlive(host, {resumed}, seconds(10));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);

  // One who does not try again has a lease's time and the grace.
  const auto last = cluster_.Resume(host, lost);
  cluster_.Break(host, last);
  cluster_.scheduler.Advance(kLease - milliseconds(10));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  cluster_.scheduler.Advance(seconds(1));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  cluster_.scheduler.Advance(seconds(4));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kDead);
  EXPECT_EQ(cluster_.Look("a").cause, Cause::kLockFree);
  EXPECT_THAT(
      cluster_.Kinds(IncarnationOf(lost)),
      ElementsAre(EventKind::kPodRegistered, EventKind::kPodSuspected, EventKind::kPodDied));
}

// P1, P7, P9: a resume that the pod has given up may be committed all the same. Until the pod's
// host hears of it, the pod lives on under the host's leases, and is silent in the new session.
TEST_F(Pods, Silence_InASessionThatThePodNeverSpokeInIsWeakEvidence) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  const auto given_up = cluster_.Resume(other, pod);
  host.database.SetAway(true);
  cluster_.Break(other, given_up);

  cluster_.KeepAlive(host, {pod}, seconds(10));
  EXPECT_TRUE(cluster_.Beat(host, pod));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);

  cluster_.KeepAlive(host, {pod}, seconds(6));
  EXPECT_FALSE(cluster_.Beat(host, pod));
  const auto resumed = cluster_.Resume(other, pod);
  cluster_.KeepAlive(other, {resumed}, seconds(30));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
}

// P7: SUSPECT at once, but nobody is told of a death before the last lease has surely ended.
TEST_F(Pods, StreamEnded_StrictDiesOnlyAfterItsLease) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  cluster_.KeepAlive(host, {pod}, seconds(5));
  ASSERT_TRUE(cluster_.Beat(host, pod));
  cluster_.scheduler.Advance(milliseconds(700));
  cluster_.Break(host, pod);
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  cluster_.scheduler.Advance(kLease - milliseconds(700));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  cluster_.scheduler.Advance(milliseconds(500));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kDead);
}

// The suspicion is written late, in a thread that stalls while another one is free.
TEST_F(Pods, Suspicion_IsNotOvertakenByItsVerdict) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  host.lane.StallNext(2 * kLease);
  cluster_.Break(host, pod);
  cluster_.scheduler.Advance(2 * kLease - milliseconds(1));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  cluster_.scheduler.Advance(milliseconds(1));
  EXPECT_THAT(
      cluster_.Kinds(IncarnationOf(pod)),
      ElementsAre(EventKind::kPodRegistered, EventKind::kPodSuspected, EventKind::kPodDied));
}

TEST_F(Pods, Suspicion_ThatTheDatabaseDidNotTakeIsTriedAgain) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  host.database.LoseNextAnswer(memory::LostAnswer::kNotCommitted);
  cluster_.Break(host, pod);
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  cluster_.scheduler.Advance(milliseconds(150));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);
}

TEST_F(Pods, Silence_IsDeathAfterTheLease) {
  auto& host = cluster_.Add();
  const auto strict = cluster_.Register(host, "strict", Profile::kStrict);
  const auto fast = cluster_.Register(host, "fast", Profile::kFast);
  cluster_.KeepAlive(host, {strict, fast}, seconds(5));
  cluster_.Beat(host, strict);
  cluster_.Beat(host, fast);
  cluster_.scheduler.Advance(kLease - milliseconds(10));
  EXPECT_EQ(cluster_.Look("strict").state, PodState::kAlive);
  EXPECT_EQ(cluster_.Look("fast").state, PodState::kAlive);
  cluster_.scheduler.Advance(milliseconds(500));
  EXPECT_EQ(cluster_.Look("strict").state, PodState::kDead);
  EXPECT_EQ(cluster_.Look("fast").cause, Cause::kHeartbeatsStopped);
  EXPECT_EQ(strict->reason, reason::kIncarnationEnded);
}

TEST_F(Pods, Resume_SameIncarnationAndNoSuspicionLeft) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  cluster_.Break(host, pod);
  const auto resumed = cluster_.Resume(other, pod);
  ASSERT_NE(resumed->Last<ResumedAnswer>(), nullptr);
  EXPECT_GT(resumed->Last<ResumedAnswer>()->pod.session,
            pod->Last<RegisteredAnswer>()->pod.session);
  cluster_.KeepAlive(other, {resumed}, seconds(60));
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(pod));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(pod)),
              ElementsAre(EventKind::kPodRegistered, EventKind::kPodSuspected,
                          EventKind::kPodRefuted, EventKind::kPodMoved));
}

TEST_F(Pods, Leave_IsFinalAndSaysSo) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  host.coordinator.conversations().Received(pod, LeaveMessage{});
  cluster_.scheduler.Settle();
  EXPECT_NE(pod->Last<LeftAnswer>(), nullptr);
  EXPECT_TRUE(pod->ended);
  cluster_.Break(host, pod);
  cluster_.scheduler.Advance(seconds(60));
  EXPECT_THAT(cluster_.Kinds(cluster_.Look("a").incarnation),
              ElementsAre(EventKind::kPodRegistered, EventKind::kPodLeft));
}

TEST_F(Pods, Detach_IsNoEvidenceWhileThePodMoves) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  host.coordinator.conversations().Received(pod, DetachMessage{});
  cluster_.Break(host, pod);
  cluster_.scheduler.Advance(seconds(1));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  const auto resumed = cluster_.Resume(other, pod);
  cluster_.KeepAlive(other, {resumed}, seconds(30));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(pod)),
              ElementsAre(EventKind::kPodRegistered, EventKind::kPodMoved));
}

// P1: a stream that the pod has left behind is no evidence against its new session.
TEST_F(Pods, StreamEnded_OfAnOldSessionIsVoid) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  const auto resumed = cluster_.Resume(other, pod);
  cluster_.Break(host, pod);
  cluster_.KeepAlive(other, {resumed}, seconds(10));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
}

TEST_F(Pods, NameTaken_RefusedAtOnceOrAfterTheWait) {
  auto& host = cluster_.Add();
  const auto incumbent = cluster_.Register(host, "a", Profile::kFast);
  const auto refused = cluster_.Register(host, "a", Profile::kFast);
  EXPECT_EQ(refused->reason, reason::kPodNameTaken);
  const auto waiting = cluster_.Register(host, "a", Profile::kFast, seconds(2));
  EXPECT_NE(waiting->Last<WaitingAnswer>(), nullptr);
  cluster_.KeepAlive(host, {incumbent}, seconds(1));
  EXPECT_GT(waiting->heard.size(), 3U);  // told again and again, so that its silence says something
  cluster_.KeepAlive(host, {incumbent}, seconds(2));
  EXPECT_EQ(waiting->reason, reason::kPodNameTaken);
}

TEST_F(Pods, NameTaken_TheNewcomerFollowsTheVerdict) {
  auto& host = cluster_.Add();
  const auto incumbent = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  const auto waiting = cluster_.Register(host, "a", Profile::kFast, seconds(30));
  cluster_.Break(host, incumbent);
  cluster_.scheduler.Advance(milliseconds(500));
  const auto* registered = waiting->Last<RegisteredAnswer>();
  ASSERT_NE(registered, nullptr);
  EXPECT_GT(registered->pod.incarnation, incumbent->Last<RegisteredAnswer>()->pod.incarnation);
}

TEST_F(Pods, Register_ARepetitionFindsItsIncarnation) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto first = cluster_.Register(host, "a", Profile::kStrict, {}, "registration-of-a");
  const auto again = cluster_.Register(other, "a", Profile::kStrict, {}, "registration-of-a");
  ASSERT_NE(again->Last<RegisteredAnswer>(), nullptr);
  EXPECT_EQ(again->Last<RegisteredAnswer>()->pod.incarnation,
            first->Last<RegisteredAnswer>()->pod.incarnation);
  EXPECT_EQ(again->Last<RegisteredAnswer>()->session_token,
            first->Last<RegisteredAnswer>()->session_token);
}

// P11
TEST_F(Pods, Protocol_IsKeptOrTheStreamEnds) {
  auto& host = cluster_.Add();
  auto& conversations = host.coordinator.conversations();
  const auto early = std::make_shared<RecordedPodStream>();
  conversations.Opened(early);
  conversations.Received(early, HeartbeatMessage{1});
  EXPECT_EQ(early->reason, reason::kProtocolViolation);

  const auto idle = std::make_shared<RecordedPodStream>();
  conversations.Opened(idle);
  cluster_.scheduler.Advance(seconds(11));
  EXPECT_EQ(idle->reason, reason::kStreamIdle);

  const auto twice = cluster_.Register(host, "a", Profile::kStrict);
  conversations.Received(twice, RegisterMessage{.ns = "default", .name = "b"});
  EXPECT_EQ(twice->reason, reason::kProtocolViolation);
}

// P11
TEST_F(Pods, Limit_IsSaid) {
  CoordinatorSettings settings;
  settings.max_pods = 2;
  SimulatedCluster small(settings);
  auto& host = small.Add();
  small.Register(host, "a", Profile::kFast);
  small.Register(host, "b", Profile::kFast);
  EXPECT_EQ(small.Register(host, "c", Profile::kFast)->reason, reason::kLimitReached);
}

TEST_F(Pods, Drain_PodsMoveAndNobodyDies) {
  auto& leaving = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.Register(leaving, "a", Profile::kFast);
  bool drained = false;
  leaving.coordinator.Drain(seconds(20), [&] { drained = true; });
  cluster_.scheduler.Settle();
  EXPECT_NE(pod->Last<DrainingNotice>(), nullptr);
  EXPECT_EQ(cluster_.Register(leaving, "b", Profile::kFast)->reason, reason::kDraining);
  leaving.coordinator.conversations().Received(pod, DetachMessage{});
  cluster_.scheduler.Advance(milliseconds(100));
  EXPECT_FALSE(drained);
  const auto resumed = cluster_.Resume(other, pod);
  cluster_.KeepAlive(other, {resumed}, seconds(2));
  EXPECT_TRUE(drained);
  cluster_.KeepAlive(other, {resumed}, seconds(30));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(pod)),
              ElementsAre(EventKind::kPodRegistered, EventKind::kPodMoved));
}

}  // namespace
}  // namespace vigil
