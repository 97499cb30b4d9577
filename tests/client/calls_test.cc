// Single calls: which coordinator is asked, what may be repeated, and what an error says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "client/scripted_coordinator.h"
#include "vigil/client.h"
#include "vigil/work.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;

class CallsTest : public ::testing::Test {
 protected:
  std::uint64_t RegisterPod(const std::string& name) {
    v1::Register request;
    request.set_name(name);
    request.set_registration_id("id-of-" + name);
    return cluster_.Register(request, 1).incarnation();
  }

  void Refuse(ScriptedCoordinator& coordinator, grpc::Status status) {
    coordinator.Change([&](auto& script) {
      script.refuse_call = [status](const std::string&) { return status; };
    });
  }

  // Every call at `a_` takes a second.
  void AnswerSlowly() {
    a_.Change([this](auto& script) {
      script.refuse_call = [this](const std::string&) {
        cluster_.EventsAfter(100, milliseconds(1000));
        return grpc::Status::OK;
      };
    });
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  ScriptedCoordinator b_{cluster_, 2};
};

TEST_F(CallsTest, Create_RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(Client::Create({}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(Client::Create({.addresses = {"a:1", ""}}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(Client::Create({.addresses = {"a:1"}, .call_timeout = Duration(0)}).error().code,
            Code::kInvalidArgument);
}

TEST_F(CallsTest, Call_GoesOnToTheNextCoordinator) {
  RegisterPod("web-1");
  const Client client = Connect({&a_, &b_});
  a_.Kill();
  ASSERT_TRUE(client.GetPod("default", "web-1"));
  EXPECT_EQ(b_.CallsOf("GetPod"), 1);
}

TEST_F(CallsTest, Call_StaysWithTheCoordinatorThatAnswered) {
  RegisterPod("web-1");
  const Client client = Connect({&a_, &b_});
  Refuse(a_, Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_DRAINING, "draining"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.GetPod("default", "web-1"));
  EXPECT_EQ(a_.CallsOf("GetPod"), 1);
  EXPECT_EQ(b_.CallsOf("GetPod"), 3);
}

TEST_F(CallsTest, Call_ARefusalIsReturnedAtOnceWithReasonAndHint) {
  const Client client = Connect({&a_, &b_});
  const auto pod = client.GetPod("default", "nobody");
  ASSERT_FALSE(pod);
  EXPECT_EQ(pod.error().code, Code::kNotFound);
  EXPECT_EQ(pod.error().reason, Reason::kPodNotFound);
  EXPECT_EQ(pod.error().hint, "do something else");
  EXPECT_EQ(a_.CallsOf("GetPod") + b_.CallsOf("GetPod"), 1);
}

TEST_F(CallsTest, Call_GivesUpAfterTwoRounds) {
  const Client client = Connect({&a_, &b_});
  for (auto* coordinator : {&a_, &b_}) {
    Refuse(*coordinator,
           Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_DATABASE_UNAVAILABLE, "away"));
  }
  EXPECT_EQ(client.GetPod("default", "web-1").error().reason, Reason::kDatabaseUnavailable);
  EXPECT_EQ(a_.CallsOf("GetPod"), 2);
  EXPECT_EQ(b_.CallsOf("GetPod"), 2);
}

TEST_F(CallsTest, Call_IsBoundedByItsTimeout) {
  const Client client =
      Connect({&a_}, {.call_timeout = milliseconds(300), .attempt_timeout = milliseconds(200)});
  AnswerSlowly();
  const Time begin = BootClock::now();
  EXPECT_EQ(client.GetPod("default", "web-1").error().code, Code::kDeadlineExceeded);
  EXPECT_LT(BootClock::now() - begin, milliseconds(900));
}

TEST_F(CallsTest, Call_AnUnknownReasonKeepsItsName) {
  Refuse(a_,
         Refusal(grpc::StatusCode::FAILED_PRECONDITION, static_cast<v1::ErrorReason>(999), "new"));
  const auto pod = Connect({&a_}).GetPod("default", "web-1");
  EXPECT_EQ(pod.error().reason, Reason::kUnrecognized);
  EXPECT_EQ(pod.error().metadata.at("reason"), "FROM_THE_FUTURE");
}

TEST_F(CallsTest, Work_StartClaimCompleteWithFences) {  // P5
  const Incarnation first(RegisterPod("one"));
  const Incarnation second(RegisterPod("two"));
  const Work work(Connect({&a_, &b_}), "default");
  const auto started = work.Start(first, "k", "payload");
  ASSERT_TRUE(started);
  EXPECT_EQ(started->outcome, StartOutcome::kStarted);
  EXPECT_EQ(started->item.payload, "payload");
  EXPECT_EQ(work.Start(second, "k")->outcome, StartOutcome::kOwned);
  EXPECT_EQ(work.Claim(second, "k", first, Fence(1)).error().reason, Reason::kOwnerAlive);

  cluster_.End(first.value(), v1::POD_STATE_DEAD);
  const auto claimed = work.Claim(second, "k", first, Fence(1));
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(claimed->item.fence, Fence(2));
  EXPECT_EQ(work.Claim(Incarnation(99), "k", first, Fence(1))->outcome, ClaimOutcome::kLost);

  const auto stale = work.Complete(first, "k", Fence(1));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().reason, Reason::kFenced);
  EXPECT_EQ(stale.error().metadata.at("fence"), "2");
  EXPECT_EQ(work.Complete(second, "k", Fence(2), "done")->result, "done");
}

TEST_F(CallsTest, Work_StartSaysWhatTheItemIs) {
  const Incarnation owner(RegisterPod("one"));
  const Work work(Connect({&a_}), "default");
  const WorkTraits traits{.kind = "import",
                          .labels = {{"zone", "eu-1"}},
                          .policy = RecoveryPolicy::kSticky,
                          .sticky_wait = milliseconds(1500),
                          .max_adoptions = 3};
  const auto started = work.Start(owner, "k", "payload", traits);
  ASSERT_TRUE(started);
  EXPECT_EQ(started->item.traits.kind, "import");
  EXPECT_EQ(started->item.traits.labels, traits.labels);
  EXPECT_EQ(started->item.traits.policy, RecoveryPolicy::kSticky);
  EXPECT_EQ(started->item.traits.sticky_wait, traits.sticky_wait);
  EXPECT_EQ(started->item.traits.max_adoptions, 3U);

  ASSERT_TRUE(work.Start(owner, "l", {},
                         {.policy = RecoveryPolicy::kAssign, .selector = {{"gpu", "yes"}}}));
  const auto request = a_.start_requests().back();
  EXPECT_EQ(request.policy(), v1::RECOVERY_POLICY_ASSIGN);
  EXPECT_EQ(request.selector().at("gpu"), "yes");
  EXPECT_FALSE(request.has_sticky_wait()) << "the server's default";
  EXPECT_EQ(request.max_adoptions(), 0U);
}

TEST_F(CallsTest, Work_FailTransferAndReleaseQuarantined) {
  const Incarnation first(RegisterPod("one"));
  const Incarnation second(RegisterPod("two"));
  const Work work(Connect({&a_}), "default");
  ASSERT_TRUE(work.Start(first, "k", {}, {.kind = "import", .max_adoptions = 1}));
  const auto given = work.Transfer(first, "k", Fence(1), "two");
  ASSERT_TRUE(given);
  EXPECT_EQ(given->owner, second);
  EXPECT_EQ(given->fence, Fence(2));
  EXPECT_EQ(work.Transfer(second, "k", Fence(2), "nobody").error().reason, Reason::kPodNotFound);

  EXPECT_EQ(work.Fail(second, "k", Fence(2), "too large")->state, WorkState::kReleased);
  ASSERT_TRUE(work.Start(first, "k"));
  const auto failed = work.Fail(first, "k", Fence(3), "still too large");
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->state, WorkState::kQuarantined);
  ASSERT_EQ(failed->former_owners.size(), 2U);
  EXPECT_EQ(failed->former_owners[0].incarnation, second);
  EXPECT_EQ(failed->former_owners[0].name, "two");
  EXPECT_EQ(failed->former_owners[0].fence, Fence(2));
  EXPECT_EQ(failed->former_owners[0].cause, Cause::kNone);
  EXPECT_EQ(failed->former_owners[1].reason, "still too large");

  const auto page = work.List({.quarantined_only = true, .choice = {.kinds = {"import"}}});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(work.List({.quarantined_only = true, .choice = {.kinds = {"other"}}})->items.size(),
            0U);
  const auto released = work.ReleaseQuarantined("k", Fence(3));
  ASSERT_TRUE(released);
  EXPECT_EQ(released->state, WorkState::kReleased);
  EXPECT_EQ(released->adoptions, 0U);
}

TEST_F(CallsTest, ClaimOrphans_IsRepeatedWithItsOwnId) {
  const Work work(Connect({&a_, &b_}), "default");
  Refuse(a_, {grpc::StatusCode::UNAVAILABLE, "the connection broke"});
  const WorkChoice choice{.kinds = {"import"}, .labels = {{"zone", "eu-1"}}};
  ASSERT_TRUE(work.ClaimOrphans(Incarnation(1), 7, choice));

  ASSERT_EQ(a_.claim_orphans_requests().size(), 1U);
  ASSERT_EQ(b_.claim_orphans_requests().size(), 1U);
  const auto first = a_.claim_orphans_requests()[0];
  EXPECT_EQ(first.request_id().size(), 32U);
  EXPECT_EQ(first.SerializeAsString(), b_.claim_orphans_requests()[0].SerializeAsString());
  EXPECT_EQ(first.limit(), 7U);
  EXPECT_EQ(first.kinds(0), "import");
  EXPECT_EQ(first.labels().at("zone"), "eu-1");
}

TEST_F(CallsTest, Checkpoints_HaveGrowingNumbers) {
  const Incarnation owner(RegisterPod("one"));
  const Work work(Connect({&a_}), "default");
  ASSERT_TRUE(work.Start(owner, "k"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(work.Checkpoint(owner, "k", Fence(1), "half"));

  std::uint64_t before = 0;
  for (const auto& request : a_.checkpoint_requests()) {
    EXPECT_GT(request.number(), before);
    before = request.number();
  }
}

TEST_F(CallsTest, RequestIds_AreAnotherForEveryCall) {
  const Incarnation owner(RegisterPod("one"));
  const Work work(Connect({&a_}), "default");
  std::set<std::string> ids;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(work.Start(owner, "k"));
    ASSERT_TRUE(work.ClaimOrphans(owner));
  }
  for (const auto& request : a_.start_requests()) ids.insert(request.request_id());
  for (const auto& request : a_.claim_orphans_requests()) ids.insert(request.request_id());
  EXPECT_EQ(ids.size(), 20U);
}

TEST_F(CallsTest, Spread_EveryOrderOfAddressesIsTaken) {
  const std::vector<std::string> given = {"a:1", "b:1", "c:1"};
  std::set<std::vector<std::string>> orders;
  for (int i = 0; i < 200; ++i) orders.insert(Client::Create({.addresses = given})->addresses());
  EXPECT_EQ(orders.size(), 6U);
  EXPECT_EQ(Client::Create({.addresses = given, .spread = false})->addresses(), given);
}

// --- A pod's own calls, while its lease lasts

TEST_F(CallsTest, While_NothingIsSentWhenTheLeaseIsOver) {
  const Work work = Work(Connect({&a_}), "default").While([] { return std::nullopt; });
  const Error error = work.Complete(Incarnation(1), "k", Fence(1)).error();
  EXPECT_EQ(error.code, Code::kCancelled);
  EXPECT_EQ(error.reason, Reason::kIncarnationEnded);
  EXPECT_EQ(a_.CallsOf("CompleteWork"), 0);
}

TEST_F(CallsTest, While_NoCallGoesOnPastTheLease) {  // P7
  AnswerSlowly();
  const Time end = BootClock::now() + milliseconds(300);
  const Work work = Work(Connect({&a_}), "default").While([end] {
    return BootClock::now() < end ? std::optional(end) : std::nullopt;
  });
  EXPECT_EQ(work.Complete(Incarnation(1), "k", Fence(1)).error().code, Code::kDeadlineExceeded);
  EXPECT_GE(BootClock::now(), end);
  EXPECT_LT(BootClock::now() - end, milliseconds(500));
}

// A short lease is renewed many times while a slow coordinator is waited for.
TEST_F(CallsTest, While_ALeaseThatIsRenewedLetsTheCallGoOn) {
  RegisterPod("web-1");
  AnswerSlowly();
  int asked = 0;
  const Work work = Work(Connect({&a_}), "default").While([&] {
    if (++asked == 5) a_.Change([](auto& script) { script.refuse_call = nullptr; });
    return std::optional(BootClock::now() + milliseconds(asked < 5 ? 100 : 5000));
  });
  EXPECT_TRUE(work.Start(Incarnation(1), "k"));
  EXPECT_EQ(asked, 5);
}

}  // namespace
}  // namespace vigil::client
