// Each guarantee of the event stream: a history that keeps it passes, and one violation is found.
#include "history/validators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil::history {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HistoryTest : public ::testing::Test {
 protected:
  // Transactions of one and of two events: 1, 2 3, 4, 5 6. Incarnation 10 lives until 3; 20 from 4,
  // and 30 from 5 on.
  static std::vector<Event> Log() {
    return {Make(1, 1, EventKind::kPodRegistered, 10), Make(2, 3, EventKind::kPodSuspected, 10),
            Make(3, 3, EventKind::kPodDied, 10),       Make(4, 4, EventKind::kPodRegistered, 20),
            Make(5, 6, EventKind::kPodRegistered, 30), Make(6, 6, EventKind::kPodMoved, 20)};
  }

  static Event Make(uint64_t seq, uint64_t transaction_end, EventKind kind, uint64_t incarnation) {
    Event event;
    event.seq = Seq{seq};
    event.transaction_end = Seq{transaction_end};
    event.mark = Mark{1000 + seq};
    event.kind = kind;
    event.pod_name = "pod-" + std::to_string(incarnation);
    event.incarnation = Incarnation{incarnation};
    return event;
  }

  static Position At(uint64_t seq) {
    return seq == 0 ? Position{} : Position{Seq{seq}, Mark{1000 + seq}};
  }

  static EventsTold Told(uint64_t first, uint64_t last) {
    EventsTold told{.events = {}, .position = At(last)};
    for (uint64_t seq = first; seq <= last; ++seq) told.events.push_back(Log()[seq - 1]);
    return told;
  }
  static PositionTold Standing(uint64_t at, uint64_t head) {
    return {.position = At(at), .head = Seq{head}};
  }
  static Ended End(EndReason reason, std::optional<Position> position = std::nullopt) {
    Ended ended;
    ended.reason = reason;
    ended.position = position;
    return ended;
  }
  static Ended Broken() {
    Ended ended;
    ended.broken = true;
    return ended;
  }

  // Each a second after the one before it.
  template <typename... What>
  static History Of(What... what) {
    History history;
    const auto add = [&](auto record) {
      const Instant at = Instant(seconds(1)) + seconds(history.size());
      history.push_back({at, std::move(record)});
    };
    (add(what), ...);
    return history;
  }

  static History Good() {
    return Of(Opened{FromOldest{}}, Told(1, 3), Standing(3, 4), Told(4, 4),
              End(EndReason::kDraining, At(4)), Opened{At(4)}, Standing(4, 4), Told(5, 6), Broken(),
              Opened{At(6)}, Standing(6, 6));
  }

  Reference reference_{.log = Log(), .through = Seq{6}};
};

TEST_F(HistoryTest, Good_Passes) {
  EXPECT_THAT(Validate(Good(), reference_), IsEmpty());
  EXPECT_EQ(EventCount(Good()), 6U);
  EXPECT_EQ(LastPosition(Good()), At(6));
}

TEST_F(HistoryTest, WithoutTheLog_NumbersAreJudged) {
  EXPECT_THAT(Validate(Good(), {}), IsEmpty());
  EXPECT_THAT(Validate(Of(Opened{FromOldest{}}, Told(1, 1), Told(4, 4)), {}),
              Contains("Reliable: event 2 is missing between 1 and 4"));
}

TEST_F(HistoryTest, FromNow_TheSnapshotAndWhatFollows) {
  const SnapshotTold first{.pods = {Incarnation{30}}};
  const SnapshotTold last{.pods = {Incarnation{20}}, .position = At(6)};
  EXPECT_THAT(Validate(Of(Opened{FromNow{}}, first, last, Standing(6, 6)), reference_), IsEmpty());
  EXPECT_THAT(Reliable(Of(Opened{FromNow{}}, last), reference_),
              Contains(HasSubstr("without incarnation 30")));
  const SnapshotTold early{.pods = {Incarnation{20}, Incarnation{30}}, .position = At(4)};
  EXPECT_THAT(Reliable(Of(Opened{FromNow{}}, early, Told(5, 6)), reference_),
              Contains(HasSubstr("has incarnation 30, which does not live there")));
}

TEST_F(HistoryTest, Filtered_PositionsMoveOverWhatDoesNotPass) {
  const EventFilter registered{.kinds = {EventKind::kPodRegistered}};
  EventsTold passing = Told(4, 6);
  passing.events.pop_back();
  const History good = Of(Opened{FromOldest{}, registered}, Told(1, 1), Standing(3, 6), passing);
  EXPECT_THAT(Validate(good, reference_), IsEmpty());
  passing.events.pop_back();
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}, registered}, Told(1, 1), passing), reference_),
              Contains(HasSubstr("event 5 (POD_REGISTERED pod-30) is missing")));
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}, registered}, Told(1, 3)), reference_),
              Contains(HasSubstr("does not pass the filter")));
  EXPECT_THAT(Bookmarkable(Of(Opened{At(3), registered}, Standing(4, 6)), reference_),
              Contains(HasSubstr("over event 4")));
}

TEST_F(HistoryTest, Ordered_FindsOneThatComesTooLate) {
  EventsTold swapped = Told(1, 3);
  std::swap(swapped.events[1], swapped.events[2]);
  EXPECT_THAT(Ordered(Of(Opened{FromOldest{}}, swapped), reference_),
              Contains("event 2 (POD_SUSPECTED pod-10) comes after event 3"));
  EventsTold ahead = Told(1, 3);
  ahead.position = At(1);
  EXPECT_THAT(Ordered(Of(Opened{FromOldest{}}, ahead), reference_),
              Contains("the position after event 3 is 1"));
}

TEST_F(HistoryTest, Unique_FindsOneThatComesTwice) {
  EXPECT_THAT(Unique(Of(Opened{FromOldest{}}, Told(1, 3), Told(2, 4)), reference_),
              Contains("event 3 (POD_DIED pod-10) comes twice"));
  EXPECT_THAT(
      Unique(Of(Opened{FromOldest{}}, Told(1, 3), Broken(), Opened{At(3)}, Told(2, 4)), reference_),
      Contains(HasSubstr("event 3")));
  // Who goes back itself is told again.
  EXPECT_THAT(Validate(Of(Opened{FromOldest{}}, Told(1, 3), Broken(), Opened{At(1)}, Told(2, 6)),
                       reference_),
              IsEmpty());
}

TEST_F(HistoryTest, Reliable_FindsOneThatIsMissing) {
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, Told(1, 3), Told(5, 6)), reference_),
              Contains("event 4 (POD_REGISTERED pod-20) is missing between 3 and 6"));
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, Told(4, 6)), reference_),
              Contains(HasSubstr("event 1")));
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, Told(1, 3), Broken(), Opened{At(4)}, Told(5, 6)),
                       reference_),
              Contains("goes on after 4, and was told up to 3"));
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, Told(1, 4)), reference_),
              Contains(HasSubstr("2 of 2 events were never told after 4")));
  EXPECT_THAT(Reliable(Of(Opened{FromNow{}}), reference_), Contains(HasSubstr("nothing")));
}

TEST_F(HistoryTest, Reliable_FindsOneThatIsAnotherInTheLog) {
  EventsTold wrong = Told(1, 3);
  wrong.events[2].incarnation = Incarnation{11};
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, wrong, Told(4, 6)), reference_),
              Contains("event 3 (POD_DIED pod-10) was told as POD_DIED pod-10 of incarnation 11"));
  reference_.log.resize(4);
  reference_.through = {};
  EXPECT_THAT(Reliable(Of(Opened{FromOldest{}}, Told(1, 6)), reference_),
              Contains("event 5 was told, and the log ends with 4"));
}

TEST_F(HistoryTest, Atomic_FindsACursorInsideATransaction) {
  EXPECT_THAT(Atomic(Of(Opened{FromOldest{}}, Told(1, 2)), reference_),
              Contains("the cursor at 2 is inside the transaction that ends with 3"));
  EXPECT_THAT(Atomic(Of(Opened{FromOldest{}}, Standing(5, 6)), reference_),
              Contains(HasSubstr("the cursor at 5")));
  EXPECT_THAT(Atomic(Of(Opened{FromOldest{}}, End(EndReason::kLagged, At(5))), reference_),
              Contains(HasSubstr("the cursor at 5")));
}

TEST_F(HistoryTest, Atomic_FindsATransactionInTwoDeliveries) {
  EXPECT_THAT(Atomic(Of(Opened{FromOldest{}}, Told(1, 2), Told(3, 3)), {}),
              Contains("the transaction that ends with 3 comes in two deliveries"));
}

TEST_F(HistoryTest, Resumable_FindsOneThatBeginsElsewhere) {
  EXPECT_THAT(Resumable(Of(Opened{At(3)}, Told(5, 6)), reference_),
              Contains(HasSubstr("after a resume at 3 comes event 5 (POD_REGISTERED pod-30) first, "
                                 "and not event 4")));
  EXPECT_THAT(Resumable(Of(Opened{At(3)}, Told(2, 4)), reference_),
              Contains(HasSubstr("after a resume at 3 comes event 2")));
  EXPECT_THAT(Resumable(Of(Opened{At(4)}, Standing(3, 6)), reference_),
              Contains("after a resume at 4 comes the cursor 3"));
  EXPECT_THAT(Resumable(Of(Opened{Position{Seq{4}, Mark{7}}}, Standing(4, 6)), reference_),
              Contains("after a resume at 4 comes a cursor of another log there"));
}

TEST_F(HistoryTest, Bookmarkable_FindsAPositionThatIsNotTrue) {
  EXPECT_THAT(Bookmarkable(Of(Opened{At(1)}, Standing(3, 6)), reference_),
              Contains(HasSubstr("goes from 1 to 3 over event 2")));
  EXPECT_THAT(Bookmarkable(Of(Opened{At(3)}, Standing(1, 6)), reference_),
              Contains("the position goes back from 3 to 1"));
  EXPECT_THAT(Bookmarkable(Of(Opened{At(4)}, Standing(4, 3)), reference_),
              Contains("the position is 4 and the head is 3"));
  EXPECT_THAT(Bookmarkable(Of(Opened{At(4)}, Standing(4, 7)), reference_),
              Contains("the head is 7, and the log ends with 6"));
  PositionTold other = Standing(4, 6);
  other.position.mark = Mark{7};
  EXPECT_THAT(Bookmarkable(Of(Opened{At(4)}, other), reference_),
              Contains("the cursor at 4 is not of this log"));
  PositionTold pruned = Standing(4, 6);
  pruned.oldest = Seq{2};
  EXPECT_THAT(Bookmarkable(Of(Opened{At(4)}, pruned), reference_),
              Contains("the oldest event is 2, and the log has it from 1 on"));
}

TEST_F(HistoryTest, Explicit_FindsAnEndWithoutAReason) {
  EXPECT_THAT(Explicit(Of(Opened{At(4)}, Ended{}), reference_),
              Contains("a subscription ended without a reason"));
  EXPECT_THAT(Explicit(Of(Opened{At(4)}, Opened{At(4)}), reference_),
              Contains("a subscription follows one that has not ended"));
  EXPECT_THAT(Explicit(Of(Opened{At(4)}, Broken(), Told(5, 6)), reference_),
              Contains("something is told though no subscription is open"));
}

TEST_F(HistoryTest, Explicit_FindsAnEndThatDoesNotTellWhereToGoOn) {
  for (const EndReason reason : {EndReason::kLagged, EndReason::kDraining}) {
    EXPECT_THAT(Explicit(Of(Opened{At(4)}, End(reason)), reference_),
                Contains(HasSubstr("tells no position to resume from")));
    EXPECT_THAT(Explicit(Of(Opened{At(4)}, End(reason, At(6))), reference_),
                Contains(HasSubstr("tells the position 6, and the subscriber stands at 4")));
    EXPECT_THAT(Explicit(Of(Opened{FromNow{}}, End(reason, At(6))), reference_),
                Contains(HasSubstr("in the middle of a snapshot")));
  }
}

TEST_F(HistoryTest, Explicit_FindsAnExpiryThatIsNone) {
  EXPECT_THAT(Explicit(Of(Opened{At(4)}, End(EndReason::kExpired)), reference_),
              Contains("EXPIRED at 4, from where the log goes on"));
  EXPECT_THAT(Explicit(Of(Opened{At(4)}, End(EndReason::kExpired, At(4))), reference_),
              Contains("EXPIRED tells the position 4"));
  // Lost with its part of the log, or pruned.
  const Position lost{Seq{4}, Mark{7}};
  EXPECT_THAT(Explicit(Of(Opened{lost}, End(EndReason::kExpired)), reference_), IsEmpty());
  EXPECT_THAT(Explicit(Of(Opened{At(9)}, End(EndReason::kExpired)), reference_), IsEmpty());
  reference_.oldest = Seq{4};
  EXPECT_THAT(Explicit(Of(Opened{At(1)}, End(EndReason::kExpired)), reference_), IsEmpty());
  EXPECT_THAT(Explicit(Of(Opened{At(3)}, End(EndReason::kExpired)), reference_),
              Contains("EXPIRED at 3, from where the log goes on"));
}

TEST_F(HistoryTest, Bounded_FindsWhatIsBeyond) {
  EventsTold heavy = Told(1, 3);
  heavy.bytes = 101;
  const auto with = [this](Bounds bounds) {
    reference_.bounds = bounds;
    return reference_;
  };
  EXPECT_THAT(Bounded(Of(Opened{FromOldest{}}, heavy), with({.bytes = 100})),
              Contains("a delivery has 101 bytes"));
  EXPECT_THAT(Bounded(Of(Opened{FromOldest{}}, Told(1, 3)), with({.events = 2})),
              Contains("a delivery has 3 events"));
  EXPECT_THAT(Bounded(Of(Opened{FromOldest{}}), with({.transaction_events = 1})),
              Contains("the transaction that ends with 3 has 2 events"));
  EXPECT_THAT(Bounded(Of(Opened{FromNow{}}, SnapshotTold{{Incarnation{10}, Incarnation{20}}, {}}),
                      with({.snapshot_pods = 1})),
              Contains("a part of a snapshot has 2 pods"));
  EXPECT_THAT(Bounded(Of(Opened{FromOldest{}}, Told(1, 1), Stalled{}, Told(2, 4),
                         End(EndReason::kLagged, At(4))),
                      with({.backlog = 2})),
              Contains("3 events had waited for a subscriber when it was LAGGED"));
  History silent = Good();
  silent[2].at += seconds(100);
  EXPECT_THAT(Bounded(silent, with({.silence = seconds(6)})),
              Contains("nothing was told for 101.000 s"));
  const Instant last = Good().back().at;
  reference_.until = last + seconds(7);
  EXPECT_THAT(Bounded(Good(), with({.silence = seconds(6)})),
              Contains("nothing was told for 7.000 s"));
  History over = Good();
  over.push_back({last, Broken()});
  EXPECT_THAT(Bounded(over, with({.silence = seconds(6)})), IsEmpty());
  reference_.until = last + seconds(2);
  EXPECT_THAT(Bounded(Good(), with({.snapshot_pods = 2,
                                    .events = 3,
                                    .bytes = 100,
                                    .transaction_events = 2,
                                    .backlog = 3,
                                    .silence = seconds(2)})),
              IsEmpty());
}

}  // namespace
}  // namespace vigil::history
