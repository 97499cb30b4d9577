// Subscribers that are killed, and coordinators that are killed or drained under them: everybody is
// told what the table has.
#include <csignal>
#include <random>

#include "death_writers.h"
#include "events_tail.h"
#include "measured.h"
#include "scenario.h"
#include "support/raw_subscriber.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;

class EventSubscribers : public Scenario {
 protected:
  static constexpr int kWriters = 8;

  void Start(int tails) {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    for (int i = 0; i < tails; ++i) {
      tails_.push_back(std::make_unique<EventsTail>(cluster().Addresses(i % cluster().size())));
      ASSERT_NO_FATAL_FAILURE(tails_.back()->Start());
    }
    // Of the client library, two at each coordinator: one that knows the past as a snapshot only.
    for (int i = 0; i < 2 * cluster().size(); ++i) {
      auto connected = cluster().Connect(i % cluster().size());
      ASSERT_TRUE(connected);
      const bool from_now = i >= cluster().size();
      recorders_.push_back(std::make_unique<EventRecorder>(
          *connected, "default",
          from_now ? client::SubscriptionStart(client::FromNow{}) : client::FromOldest{}));
      ASSERT_TRUE(recorders_.back()->AwaitStart(kPatience));
    }
    writers_ = std::make_unique<DeathWriters>(cluster(), kWriters);
  }

  EventsTail& tail(size_t number) { return *tails_.at(number); }
  size_t tails() const { return tails_.size(); }
  size_t Random(size_t below) {
    return std::uniform_int_distribution<size_t>(0, below - 1)(random_);
  }

  // Waits until so many more events have happened.
  void AwaitMore(size_t events) {
    const auto told = log().Events();
    const uint64_t last = told.empty() ? 0 : told.back().seq.value();
    ASSERT_TRUE(log().AwaitSeq(client::Seq(last + events), kPatience));
  }

  // The writers stop, all of their pods die, and everybody has been told of all of it.
  void ExpectAllTold() {
    writers_->Stop();
    ASSERT_TRUE(Database().AwaitSettled(0, cluster().size(), seconds(60)));
    const history::Reference truth = Truth();
    const client::Seq head(truth.through.value);
    size_t violations = 0;
    for (const auto& tail : tails_) {
      EXPECT_TRUE(tail->AwaitSeq(truth.through, kPatience));
      tail->Kill();
      violations += Judged(tail->History(), truth);
    }
    for (const auto& recorder : recorders_) {
      EXPECT_TRUE(recorder->AwaitSeq(head, kPatience));
      violations += Judged(recorder->History(), truth);
    }
    EXPECT_TRUE(log().AwaitSeq(head, kPatience));
    ExpectNone("broken guarantees of the stream", violations,
               static_cast<int>(tails_.size() + recorders_.size()));
    EXPECT_GE(log().Count(Of(client::EventKind::kPodDied)), writers_->ended());
  }

  static size_t Judged(const history::History& told, const history::Reference& truth) {
    const auto violations = history::Validate(told, truth);
    EXPECT_THAT(violations, IsEmpty());
    return violations.size();
  }

 private:
  std::mt19937 random_{1};
  std::vector<std::unique_ptr<EventsTail>> tails_;
  std::vector<std::unique_ptr<EventRecorder>> recorders_;
  std::unique_ptr<DeathWriters> writers_;
};

// P4, P8
TEST_F(EventSubscribers, SubscribersKilledAmongDeaths_AreToldWhatTheTableHas) {
  ASSERT_NO_FATAL_FAILURE(Start(6));
  const Instant end = Now() + FullOr(seconds(120), seconds(8));
  int kills = 0;
  for (; Now() < end; ++kills) {
    ASSERT_NO_FATAL_FAILURE(AwaitMore(1 + Random(50)));
    EventsTail& victim = tail(Random(tails()));
    ASSERT_NO_FATAL_FAILURE(victim.Kill());
    ASSERT_NO_FATAL_FAILURE(victim.Start());
  }
  EXPECT_GT(kills, 5);
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold());
}

// P8: a drained coordinator says so and where to go on, a killed one cannot; either way nothing is
// missing.
TEST_F(EventSubscribers, CoordinatorsKilledAndDrained_NothingIsMissing) {
  ASSERT_NO_FATAL_FAILURE(Start(3));
  const int rounds = FullOr(12, 4);
  for (int round = 0; round < rounds; ++round) {
    const int place = round % cluster().size();
    const bool drained = round % 2 == 0;
    RawSubscriber witness(cluster().address(place), history::FromOldest{});
    ASSERT_NO_FATAL_FAILURE(AwaitMore(20));
    cluster().coordinator(place).Signal(drained ? SIGTERM : SIGKILL);
    ASSERT_TRUE(cluster().coordinator(place).AwaitEnd(seconds(40)));
    ASSERT_TRUE(witness.AwaitEnd(kPatience));
    const history::History told = witness.History();
    EXPECT_THAT(history::Validate(told, Truth(Told::kAnything)), IsEmpty());
    const auto& last = std::get<history::Ended>(told.back().what);
    EXPECT_EQ(last.reason == history::EndReason::kDraining, drained) << last.error;
    ASSERT_TRUE(cluster().StartAgain(place));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold());
}

}  // namespace
}  // namespace vigil
