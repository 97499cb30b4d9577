// New sessions for living incarnations, alone and together.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

TEST_P(StoreTest, Resume_NewSessionSameIncarnation) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod returning = Returning(other, pod);

  Pod resumed = Must(ResumeOne(store(), returning));

  EXPECT_EQ(resumed.incarnation, pod.incarnation);
  EXPECT_EQ(resumed.session, returning.session);
  EXPECT_EQ(resumed.coordinator, other.number);
  EXPECT_EQ(resumed.state, PodState::kAlive);
  auto events = EventsAfter(Seq{1});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodMoved);
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
}

TEST_P(StoreTest, Resume_OnTheSameCoordinatorIsNoMove) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod returning = Returning(host, pod);

  EXPECT_EQ(Must(ResumeOne(store(), returning)).session, returning.session);

  EXPECT_EQ(Head(), Seq{1});
}

// The coordinator may never hear that its resume was committed, and would grant leases in the old
// session.
TEST_P(StoreTest, Resume_OnTheSameCoordinatorNamesTheOldSessionToo) {  // P1, P7
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod returning = Returning(host, pod);
  Must(ResumeOne(store(), returning));
  Must(ResumeOne(store(), returning));
  EXPECT_THAT(TakenFrom(host), ElementsAre(pod.session));
}

TEST_P(StoreTest, Resume_RepeatedChangesNothing) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod returning = Returning(other, pod);
  Must(ResumeOne(store(), returning));
  Seq head = Head();

  EXPECT_EQ(Must(ResumeOne(store(), returning)).session, returning.session);

  EXPECT_EQ(Head(), head);
  EXPECT_THAT(TakenFrom(host), ElementsAre(pod.session));
  EXPECT_THAT(TakenFrom(other), IsEmpty());
}

TEST_P(StoreTest, Resume_ThatComesLateIsRefused) {  // P1
  Host host = AddHost();
  Host other = AddHost();
  NewPod wish = Newcomer(host, "cart");
  Pod pod = RegisterAs(wish).pod;
  ResumePod late = Returning(host, pod);
  NewPod late_repetition = Newcomer(host, "cart");
  late_repetition.registration_id = wish.registration_id;
  ResumePod newer = Returning(other, pod);
  Must(ResumeOne(store(), newer));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {{pod.incarnation, newer.session}}));
  Seq head = Head();

  auto refused = ResumeOne(store(), late);
  EXPECT_EQ(ReasonOf(refused), reason::kSessionTaken);
  EXPECT_EQ(MetadataOf(refused), SessionTaken(newer.session).metadata);
  EXPECT_EQ(ReasonOf(store().Register(late_repetition)), reason::kSessionTaken);

  Pod now = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(now.session, newer.session);
  EXPECT_EQ(now.coordinator, other.number);
  EXPECT_EQ(now.state, PodState::kSuspect);
  EXPECT_EQ(Head(), head);
  EXPECT_THAT(TakenFrom(other), IsEmpty());
}

TEST_P(StoreTest, Resume_WrongTokenRefused) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod thief = Returning(host, pod);
  thief.session_token = "token-of-till";

  EXPECT_EQ(ReasonOf(ResumeOne(store(), thief)), reason::kSessionTokenInvalid);

  EXPECT_EQ(Must(store().GetPod(kNs, "cart")).session, pod.session);
}

TEST_P(StoreTest, Resume_UnknownIsNotFound) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  ResumePod unknown = Returning(host, pod);
  unknown.incarnation.value += 1'000'000;
  EXPECT_EQ(ReasonOf(ResumeOne(store(), unknown)), reason::kPodNotFound);

  ResumePod elsewhere = Returning(host, pod);
  elsewhere.ns = "other";
  EXPECT_EQ(ReasonOf(ResumeOne(store(), elsewhere)), reason::kPodNotFound);
}

TEST_P(StoreTest, Resume_TheEndedRefused) {
  Host host = AddHost();
  Pod dead = Register(host, "cart");
  Pod left = Register(host, "till");
  Kill(dead);
  Must(store().Leave(kNs, HostedAs(left)));

  EXPECT_EQ(ReasonOf(ResumeOne(store(), Returning(host, dead))), reason::kIncarnationEnded);
  EXPECT_EQ(ReasonOf(ResumeOne(store(), Returning(host, left))), reason::kIncarnationEnded);
}

TEST_P(StoreTest, Resume_NamesTheTakenSession) {
  Host host = AddHost();
  Host other = AddHost();
  Pod cart = Register(host, "cart");
  Pod till = Register(host, "till");
  Must(ResumeOne(store(), Returning(other, cart)));
  Must(ResumeOne(store(), Returning(other, till)));

  EXPECT_THAT(TakenFrom(host), UnorderedElementsAre(cart.session, till.session));
  EXPECT_THAT(TakenFrom(host), UnorderedElementsAre(cart.session, till.session))
      << "named until it is handled";
  EXPECT_THAT(Must(store().RenewCoordinator(host.number, {cart.session})).taken,
              ElementsAre(till.session));
  EXPECT_THAT(TakenFrom(host), ElementsAre(till.session));
  EXPECT_THAT(TakenFrom(other), IsEmpty());
}

TEST_P(StoreTest, Resume_RefutesSuspicion) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = Register(host, "cart");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  Seq head = Head();

  Pod resumed = Must(ResumeOne(store(), Returning(other, pod)));

  EXPECT_EQ(resumed.state, PodState::kAlive);
  EXPECT_EQ(resumed.cause, Cause::kNone);
  auto events = EventsAfter(head);
  EXPECT_THAT(KindsAfter(head), UnorderedElementsAre(EventKind::kPodRefuted, EventKind::kPodMoved));
  EXPECT_EQ(events.front().transaction_end, events.back().seq);
}

TEST_P(StoreTest, Resume_EachHasItsOwnOutcome) {  // P1, P3, P4
  Host host = AddHost();
  Host other = AddHost();
  Pod moved = Register(host, "moved");
  Pod suspect = Register(host, "suspect");
  Pod robbed = Register(host, "robbed");
  Pod late = Register(host, "late");
  Pod dead = Register(host, "dead");
  Pod at_home = Register(other, "at-home");
  ResumePod thief = Returning(other, robbed);
  thief.session_token = "token-of-moved";
  ResumePod too_late = Returning(other, late);
  late = Must(ResumeOne(store(), Returning(host, late)));
  ResumePod unknown = Returning(other, moved);
  unknown.incarnation.value += 1'000'000;
  Kill(dead);
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));
  const std::vector<ResumePod> together{unknown,
                                        Returning(other, suspect),
                                        too_late,
                                        Returning(other, at_home),
                                        Returning(other, dead),
                                        thief,
                                        Returning(other, moved)};
  Seq head = Head();

  int refuted = 0;
  const auto outcomes = store().ResumeTogether(together, [&refuted](Duration) { ++refuted; });

  ASSERT_EQ(outcomes.size(), together.size());
  EXPECT_EQ(ReasonOf(outcomes[0]), reason::kPodNotFound);
  EXPECT_EQ(ReasonOf(outcomes[2]), reason::kSessionTaken);
  EXPECT_EQ(ReasonOf(outcomes[4]), reason::kIncarnationEnded);
  EXPECT_EQ(ReasonOf(outcomes[5]), reason::kSessionTokenInvalid);
  for (const size_t place : {size_t{1}, size_t{3}, size_t{6}}) {
    EXPECT_EQ(Must(outcomes[place]).incarnation, together[place].incarnation);
    EXPECT_EQ(Must(outcomes[place]).session, together[place].session);
    EXPECT_EQ(Must(outcomes[place]).coordinator, other.number);
    EXPECT_EQ(Must(outcomes[place]).state, PodState::kAlive);
  }
  EXPECT_EQ(refuted, 1);
  EXPECT_EQ(Must(store().GetPod(kNs, "robbed")).session, robbed.session);
  EXPECT_EQ(Must(store().GetPod(kNs, "late")).session, late.session);
  EXPECT_THAT(KindsAfter(head), UnorderedElementsAre(EventKind::kPodRefuted, EventKind::kPodMoved,
                                                     EventKind::kPodMoved));
  const auto events = EventsAfter(head);
  EXPECT_EQ(events.front().transaction_end, events.back().seq);
  EXPECT_THAT(TakenFrom(host), IsSupersetOf({moved.session, suspect.session}));
  EXPECT_THAT(TakenFrom(other), ElementsAre(at_home.session));

  EXPECT_THAT(store().ResumeTogether({}), IsEmpty());
}

}  // namespace
}  // namespace vigil
