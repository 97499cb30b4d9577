// Retention passes a cursor.
#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "support/raw_subscriber.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;

class EventRetention : public Scenario {
 protected:
  static constexpr uint64_t kRetained = 200;

  void Start() {
    ASSERT_NO_FATAL_FAILURE(StartCluster(
        {.coordinators = 2,
         .settings = {"--retention-events", std::to_string(kRetained), "--prune-interval", "1s"}}));
  }

  // Pods that live and die at once; what the log has then is remembered when it is pruned.
  void Happen(int pods) {
    ASSERT_EQ(LiveAndDie(cluster(), ++rounds_, pods), "");
    ASSERT_TRUE(Database().AwaitSettled(0, cluster().size(), seconds(60)));
    truth_.GoOn(Truth());
  }

  // Waits until the event after this one has been pruned.
  void AwaitPruned(Seq seq) {
    ASSERT_TRUE(Eventually(seconds(60), [&] { return Truth().oldest.value > seq.value + 1; }));
    truth_.GoOn(Truth());
  }

  std::unique_ptr<RawSubscriber> Subscribe(const history::Start& start) {
    return std::make_unique<RawSubscriber>(cluster().address(1), start);
  }

  const history::Reference& truth() const { return truth_; }

 private:
  int rounds_ = 0;
  history::Reference truth_;
};

// P8: whoever is too late is told so, with what there still is; whoever is not notices nothing.
TEST_F(EventRetention, RetentionPassesACursor_ItExpiresAndOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto fast = Subscribe(history::FromOldest{});
  ASSERT_NO_FATAL_FAILURE(Happen(5));
  const Position early = truth().log.back().position();
  const int rounds = FullOr(30, 5);
  for (int round = 0; round < rounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(Happen(40));
    ASSERT_TRUE(fast->AwaitSeq(truth().through, kPatience));
  }
  ASSERT_NO_FATAL_FAILURE(AwaitPruned(early.seq));

  const auto late = Subscribe(early);
  ASSERT_TRUE(late->AwaitEnd(kPatience));
  const history::History told = late->History();
  history::Reference now = truth();
  EXPECT_THAT(history::Validate(fast->History(), now), IsEmpty());
  EXPECT_FALSE(fast->AwaitEnd(Duration::zero()));
  now.through = {};
  EXPECT_THAT(history::Validate(told, now), IsEmpty());
  EXPECT_EQ(history::EventCount(told), 0U);
  const auto& end = std::get<history::Ended>(told.back().what);
  ASSERT_EQ(end.reason, history::EndReason::kExpired) << end.error;
  EXPECT_GT(end.oldest.value_or(Seq{}).value, early.seq.value + 1);
  EXPECT_LE(end.oldest.value_or(Seq{}), Truth().oldest);
  EXPECT_EQ(end.head, truth().through);

  // From the last event before the oldest one the log still goes on.
  const Event* before = now.At(Seq{Truth().oldest.value - 1});
  ASSERT_TRUE(before);
  const auto in_time = Subscribe(before->position());
  EXPECT_TRUE(in_time->AwaitSeq(truth().through, kPatience));
  EXPECT_THAT(history::Validate(in_time->History(), truth()), IsEmpty());
  ASSERT_NO_FATAL_FAILURE(AwaitPruned(Seq{truth().through.value - kRetained - 1}));
  const auto oldest = Subscribe(history::FromOldest{});
  EXPECT_TRUE(oldest->AwaitSeq(truth().through, kPatience));
  EXPECT_THAT(history::Validate(oldest->History(), truth()), IsEmpty());
  EXPECT_LE(history::EventCount(oldest->History()), kRetained);
}

}  // namespace
}  // namespace vigil
