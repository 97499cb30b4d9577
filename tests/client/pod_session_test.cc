// A pod's session against coordinators that fail in every way that a network and a process can.
#include "vigil/pod_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "client/journal.h"
#include "client/scripted_coordinator.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PodSessionTest : public ::testing::Test {
 protected:
  void Register(PodSession::Options options = {.name = "web-1"}) {
    Register({&a_, &b_}, std::move(options));
  }

  void Register(std::initializer_list<ScriptedCoordinator*> coordinators,
                PodSession::Options options) {
    session_.emplace(
        Connect(coordinators), std::move(options),
        PodSession::Callbacks{.on_change = [this](const Standing& s) { journal_.Add(s); },
                              .on_waiting = [this](Incarnation i) { waiting_.Add(i); }});
  }

  void BeAlive() {
    Register();
    ASSERT_TRUE(session_->AwaitRegistration());
    ASSERT_TRUE(Await(SelfState::kAlive));
  }

  std::optional<Standing> Await(SelfState state) {
    return journal_.Await([state](const Standing& standing) { return standing.state == state; });
  }

  bool AwaitCount(const ScriptedCoordinator& coordinator, const std::string& what, int count) {
    return cluster_.Await([&] { return coordinator.Count(what) >= count; });
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  ScriptedCoordinator b_{cluster_, 2};
  Journal<Standing> journal_;
  Journal<Incarnation> waiting_;
  std::optional<PodSession> session_;
};

TEST_F(PodSessionTest, Register_GivesAnIncarnationAndALease) {
  Register({.name = "web-1", .profile = Profile::kFast, .labels = {{"zone", "a"}}});
  const auto registration = session_->AwaitRegistration();
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->pod.incarnation, Incarnation(1));
  EXPECT_EQ(registration->pod.profile, Profile::kFast);
  EXPECT_EQ(registration->pod.labels.at("zone"), "a");
  const Standing standing = session_->standing();
  EXPECT_TRUE(standing.alive());
  EXPECT_EQ(standing.coordinator, CoordinatorNumber(1));
  EXPECT_EQ(standing.address, a_.address());
  EXPECT_GT(standing.alive_until, BootClock::now());
  EXPECT_EQ(standing.lease_until - standing.alive_until, milliseconds(400));
}

TEST_F(PodSessionTest, Register_ARetryAfterALostAnswerFindsTheIncarnationThatItMade) {
  a_.Change([](auto& script) { script.lose_answers = 1; });
  BeAlive();
  EXPECT_EQ(session_->standing().incarnation, Incarnation(1));
  EXPECT_EQ(a_.registration_ids(), b_.registration_ids());
  EXPECT_THAT(a_.registration_ids(), ::testing::ElementsAre(::testing::MatchesRegex("[0-9a-f]+")));
}

TEST_F(PodSessionTest, Register_AnAnswerThatIsLostWithoutASoundIsMissedWithinTheLease) {
  a_.Change([](auto& script) { script.swallow_registrations = 1; });
  const Time begin = BootClock::now();
  Register();
  ASSERT_TRUE(session_->AwaitRegistration());
  EXPECT_LT(BootClock::now() - begin, seconds(3));  // the default lease
  EXPECT_EQ(session_->standing().incarnation, Incarnation(1));
  EXPECT_EQ(a_.registration_ids(), b_.registration_ids());
}

TEST_F(PodSessionTest, Register_BeginsAgainWhenWhatTheLostAnswerSpokeOfHasEnded) {
  a_.Change([](auto& script) {
    script.swallow_registrations = 1;
    script.end_swallowed = true;
  });
  Register({&a_}, {.name = "web-1", .lease = milliseconds(900)});
  ASSERT_TRUE(session_->AwaitRegistration());
  EXPECT_EQ(session_->standing().incarnation, Incarnation(2));
  const auto ids = a_.registration_ids();
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_NE(ids[1], ids[2]);
}

TEST_F(PodSessionTest, Register_ReportsARefusal) {
  a_.Change([](auto& script) {
    script.refuse_sessions =
        Refusal(grpc::StatusCode::ALREADY_EXISTS, v1::ERROR_REASON_POD_NAME_TAKEN, "web-1 lives",
                {{"incarnation", "6"}});
  });
  Register();
  const auto registration = session_->AwaitRegistration();
  ASSERT_FALSE(registration);
  EXPECT_EQ(registration.error().reason, Reason::kPodNameTaken);
  EXPECT_EQ(registration.error().metadata.at("incarnation"), "6");
  EXPECT_EQ(registration.error().hint, "do something else");
  EXPECT_EQ(session_->standing().state, SelfState::kRefused);
}

TEST_F(PodSessionTest, Register_GoesOnWhereTheFirstCoordinatorIsGone) {
  a_.Kill();
  BeAlive();
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(2));
}

TEST_F(PodSessionTest, Register_GivesUpWhenNobodyAnswers) {
  a_.Kill();
  Register({&a_}, {.name = "web-1", .register_timeout = milliseconds(300)});
  const auto registration = session_->AwaitRegistration();
  ASSERT_FALSE(registration);
  EXPECT_EQ(registration.error().code, Code::kUnavailable);
}

TEST_F(PodSessionTest, Register_WaitsForTheVerdictAboutItsNameForLongerThanALease) {
  a_.Change([](auto& script) { script.delay_registration = milliseconds(2600); });
  Register({.name = "web-1", .wait_for_name = seconds(5)});
  EXPECT_EQ(waiting_.Await([](Incarnation) { return true; }), Incarnation(999));
  ASSERT_TRUE(session_->AwaitRegistration());
  EXPECT_TRUE(session_->standing().alive());
}

TEST_F(PodSessionTest, Heartbeats_KeepThePodAliveBeyondItsFirstLease) {
  BeAlive();
  const Time first_end = session_->standing().lease_until;
  ASSERT_TRUE(AwaitCount(a_, "heartbeat", 4));
  EXPECT_GT(session_->standing().lease_until, first_end);
  EXPECT_EQ(journal_.all().size(), 1U);
}

TEST_F(PodSessionTest, Move_ToAnotherCoordinatorWhenTheStreamBreaks) {
  BeAlive();
  a_.BreakStreams();
  EXPECT_TRUE(Await(SelfState::kSuspended));
  const auto resumed = Await(SelfState::kAlive);
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->coordinator, CoordinatorNumber(2));
  EXPECT_EQ(resumed->incarnation, Incarnation(1));
  EXPECT_EQ(b_.Count("resume"), 1);
}

TEST_F(PodSessionTest, Move_WhenTheCoordinatorIsKilled) {
  BeAlive();
  a_.Kill();
  EXPECT_TRUE(Await(SelfState::kSuspended));
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(session_->standing().address, b_.address());
}

TEST_F(PodSessionTest, Move_WhenTheCoordinatorIsSilent) {
  BeAlive();
  a_.Change([](auto& script) { script.answer_heartbeats = false; });
  EXPECT_TRUE(Await(SelfState::kSuspended));
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(2));
  EXPECT_TRUE(AwaitCount(a_, "detach", 1));
}

// P1: the end of its stream would be strong evidence.
TEST_F(PodSessionTest, Move_AHostThatOnlyStalledReadsDetachBeforeTheEndOfTheStream) {
  Register({&a_}, {.name = "web-1"});
  ASSERT_TRUE(session_->AwaitRegistration());
  ASSERT_TRUE(Await(SelfState::kAlive));
  a_.Change([](auto& script) { script.stalled = true; });
  EXPECT_TRUE(Await(SelfState::kSuspended));
  ASSERT_TRUE(AwaitCount(a_, "resume", 1));
  a_.Change([](auto& script) { script.stalled = false; });
  EXPECT_TRUE(AwaitCount(a_, "detach", 1));
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(a_.Count("stream_broken"), 0);
}

TEST_F(PodSessionTest, Move_WithoutAMomentOfSuspensionWhenTheCoordinatorDrains) {
  BeAlive();
  a_.AnnounceDraining();
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(2));
  EXPECT_TRUE(AwaitCount(a_, "detach", 1));
  for (const Standing& standing : journal_.all()) EXPECT_EQ(standing.state, SelfState::kAlive);
}

TEST_F(PodSessionTest, Move_WhenNoLeaseIsGranted) {
  BeAlive();
  a_.Change([](auto& script) { script.grant_leases = false; });
  const auto moved = Await(SelfState::kAlive);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->coordinator, CoordinatorNumber(2));
}

TEST_F(PodSessionTest, Move_OffAHostWhoseLinkIsDegradedToOneThatTakesPodsIn) {
  BeAlive();
  a_.Change([](auto& script) { script.link_degraded = true; });
  const auto moved = Await(SelfState::kAlive);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->coordinator, CoordinatorNumber(2));
  EXPECT_TRUE(AwaitCount(a_, "detach", 1));
  for (const Standing& standing : journal_.all()) EXPECT_EQ(standing.state, SelfState::kAlive);
}

// P9: an outage of the database, in which the host still grants leases and nobody takes pods in.
TEST_F(PodSessionTest, Move_NotOffAHostThatGrantsLeasesWhenNoOtherTakesPodsIn) {
  b_.TakePodsIn(false);
  BeAlive();
  a_.Change([](auto& script) { script.link_degraded = true; });
  ASSERT_TRUE(AwaitCount(a_, "heartbeat", a_.Count("heartbeat") + 5));
  b_.Kill();
  ASSERT_TRUE(AwaitCount(a_, "heartbeat", a_.Count("heartbeat") + 5));
  EXPECT_EQ(b_.Count("resume"), 0);
  EXPECT_EQ(a_.Count("detach"), 0);
  for (const Standing& standing : journal_.all()) EXPECT_EQ(standing.state, SelfState::kAlive);
}

TEST_F(PodSessionTest, Move_BackToTheOldStreamWhenTheOtherOneRefuses) {
  BeAlive();
  b_.Change([](auto& script) {
    script.refuse_sessions = Refusal(grpc::StatusCode::UNAVAILABLE,
                                     v1::ERROR_REASON_DATABASE_UNAVAILABLE, "no database");
  });
  a_.AnnounceDraining();
  ASSERT_TRUE(AwaitCount(b_, "resume", 3));
  EXPECT_TRUE(session_->standing().alive());
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(1));
  EXPECT_EQ(a_.Count("detach"), 0);
}

TEST_F(PodSessionTest, Move_AfterALostAnswerAsksAgain) {
  BeAlive();
  b_.Change([](auto& script) { script.lose_answers = 1; });
  a_.BreakStreams();
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(session_->standing().incarnation, Incarnation(1));
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(1));
}

TEST_F(PodSessionTest, Move_PastACoordinatorThatDoesNotAnswer) {
  BeAlive();
  b_.Change([](auto& script) { script.ignore_sessions = 1; });
  a_.BreakStreams();
  ASSERT_TRUE(Await(SelfState::kAlive));
  EXPECT_EQ(session_->standing().coordinator, CoordinatorNumber(1));
}

TEST_F(PodSessionTest, Lost_WhenNobodyAnswersBeforeTheDeadline) {  // P7
  BeAlive();
  a_.Kill();
  b_.Kill();
  const Time alive_until = session_->standing().alive_until;
  const auto lost = Await(SelfState::kLost);
  ASSERT_TRUE(lost);
  EXPECT_GE(BootClock::now(), alive_until);
  EXPECT_LT(BootClock::now(), lost->lease_until);
  EXPECT_EQ(session_->standing().state, SelfState::kLost);
}

TEST_F(PodSessionTest, Lost_IsFinalThoughACoordinatorComesBack) {
  BeAlive();
  const auto untrusted =
      Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_COORDINATOR_UNTRUSTED, "blind");
  a_.Change([](auto& script) { script.grant_leases = false; });
  b_.Change([&](auto& script) { script.refuse_sessions = untrusted; });
  ASSERT_TRUE(Await(SelfState::kLost));
  a_.Change([](auto& script) { script.grant_leases = true; });
  EXPECT_EQ(session_->standing().state, SelfState::kLost);
  EXPECT_TRUE(session_->Leave());
  EXPECT_EQ(session_->standing().state, SelfState::kLost);
}

TEST_F(PodSessionTest, Lost_AtOnceWhenTheClusterEndedTheIncarnation) {
  BeAlive();
  cluster_.End(1, v1::POD_STATE_DEAD);
  a_.BreakStreams();
  const auto lost = Await(SelfState::kLost);
  ASSERT_TRUE(lost);
  EXPECT_LT(BootClock::now(), lost->alive_until);
  EXPECT_EQ(lost->why->reason, Reason::kIncarnationEnded);
}

TEST_F(PodSessionTest, Leave_IsConfirmed) {
  BeAlive();
  EXPECT_TRUE(session_->Leave());
  EXPECT_EQ(cluster_.Find(1)->state(), v1::POD_STATE_LEFT);
  EXPECT_EQ(session_->standing().state, SelfState::kLeft);
}

TEST_F(PodSessionTest, Leave_ElsewhereWhenTheStreamBreaks) {
  BeAlive();
  a_.Kill();
  EXPECT_TRUE(session_->Leave());
  EXPECT_EQ(cluster_.Find(1)->state(), v1::POD_STATE_LEFT);
  EXPECT_EQ(b_.Count("leave"), 1);
}

TEST_F(PodSessionTest, Leave_ElsewhereWhenTheCoordinatorIsSilent) {
  BeAlive();
  a_.Change([](auto& script) { script.answer_leaves = false; });
  EXPECT_TRUE(session_->Leave());
  EXPECT_EQ(b_.Count("leave"), 1);
}

TEST_F(PodSessionTest, Leave_IsBounded) {
  BeAlive();
  a_.Kill();
  b_.Kill();
  const auto left = session_->Leave(milliseconds(300));
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code, Code::kDeadlineExceeded);
}

TEST_F(PodSessionTest, Callback_ThatBlocksDoesNotStopTheHeartbeats) {
  std::promise<void> release;
  auto released = release.get_future().share();
  session_.emplace(
      Connect({&a_}), PodSession::Options{.name = "web-1"},
      PodSession::Callbacks{.on_change = [released](const Standing&) { released.wait(); }});
  ASSERT_TRUE(session_->AwaitRegistration());
  EXPECT_TRUE(AwaitCount(a_, "heartbeat", 4));
  EXPECT_TRUE(session_->standing().alive());
  release.set_value();
}

TEST_F(PodSessionTest, Destruction_EndsTheStreamWithoutLeaving) {
  BeAlive();
  session_.reset();
  EXPECT_TRUE(AwaitCount(a_, "stream_broken", 1));
  EXPECT_EQ(a_.Count("leave"), 0);
}

TEST_F(PodSessionTest, Destruction_WhileItRegisters) {
  a_.Change([](auto& script) { script.ignore_sessions = 1; });
  Register();
  ASSERT_TRUE(AwaitCount(a_, "register", 1));
  session_.reset();
}

}  // namespace
}  // namespace vigil::client
