// What is between a subscriber and its coordinator closes by halves, dawdles, or stalls.
#include "crowd.h"
#include "events_tail.h"
#include "measured.h"
#include "scenario.h"
#include "support/relay.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

class EventRelay : public Scenario {
 protected:
  // A subscriber of the client library and `vigil events tail`, both behind a relay.
  void Start() {
    ASSERT_NO_FATAL_FAILURE(
        StartCluster({.coordinators = 1, .settings = {"--position-interval", "500ms"}}));
    auto relay = Relay::Start(cluster().port(0));
    ASSERT_TRUE(relay) << relay.error().message;
    relay_ = std::move(*relay);
    const auto client = client::Client::Create({.addresses = {relay_->address()}});
    ASSERT_TRUE(client) << client.error().message;
    recorder_ =
        std::make_unique<EventRecorder>(*client, "default", client::FromOldest{}, kIdleTimeout);
    ASSERT_TRUE(recorder_->AwaitStart(kPatience));
    tail_ = std::make_unique<EventsTail>(std::vector{relay_->address()});
    ASSERT_NO_FATAL_FAILURE(tail_->Start());
    ASSERT_NO_FATAL_FAILURE(Happen(1));
    ASSERT_NO_FATAL_FAILURE(AwaitAllTold(kPatience));
  }

  // Pods that live and die at once, past the relay.
  void Happen(int pods) {
    ASSERT_EQ(LiveAndDie(cluster(), ++rounds_, pods), "");
    ASSERT_TRUE(Database().AwaitSettled(0, 1, kPatience));
  }

  void AwaitAllTold(Duration within) {
    const Seq head = Truth().through;
    ASSERT_TRUE(recorder_->AwaitSeq(client::Seq(head.value), within));
    ASSERT_TRUE(tail_->AwaitSeq(head, within));
  }

  // Both have been told everything.
  void ExpectAllTold() {
    ASSERT_NO_FATAL_FAILURE(AwaitAllTold(kPatience));
    ASSERT_NO_FATAL_FAILURE(tail_->Kill());
    const history::Reference truth = Truth();
    EXPECT_THAT(history::Validate(tail_->History(), truth), IsEmpty());
    EXPECT_THAT(history::Validate(recorder_->History(), truth), IsEmpty());
  }

  // How often the library's subscription was interrupted.
  size_t Interruptions() const {
    size_t count = 0;
    for (const history::Record& record : recorder_->History()) {
      count += std::holds_alternative<history::Ended>(record.what) ? 1 : 0;
    }
    return count;
  }

  static constexpr Duration kIdleTimeout = seconds(3);
  Relay& relay() { return *relay_; }
  const EventsTail& tail() const { return *tail_; }

 private:
  int rounds_ = 0;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<EventRecorder> recorder_;
  std::unique_ptr<EventsTail> tail_;
};

// P8
TEST_F(EventRelay, HalfClosed_SubscribersGoOnAndSaySo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const int rounds = FullOr(10, 3);
  for (int round = 0; round < rounds; ++round) {
    relay().HalfClose();
    const Instant closed = Now();
    ASSERT_NO_FATAL_FAILURE(Happen(3));
    ASSERT_NO_FATAL_FAILURE(AwaitAllTold(kPatience));
    TakeDown("both have been told again", Now() - closed);
  }
  EXPECT_GE(Interruptions(), static_cast<size_t>(rounds));
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold());
  EXPECT_GE(tail().Remarks().size(), static_cast<size_t>(rounds));
}

// P8: a byte at a time is slow, and nothing else.
TEST_F(EventRelay, Sliced_SubscribersOnlyWait) {
  ASSERT_NO_FATAL_FAILURE(Start());
  relay().Slice(1, milliseconds(1));
  // Few at once, since a message must be whole within the idle timeout.
  for (int round = 0; round < FullOr(10, 1); ++round) {
    ASSERT_NO_FATAL_FAILURE(Happen(5));
    ASSERT_NO_FATAL_FAILURE(AwaitAllTold(seconds(60)));
  }
  EXPECT_EQ(Interruptions(), 0U);
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold());
  EXPECT_THAT(tail().Remarks(), IsEmpty());
}

// P8: silence ends the stream, not the subscription.
TEST_F(EventRelay, Stalled_SubscribersNoticeAndGoOnAndSaySo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  relay().Stall();
  const Instant stalled = Now();
  ASSERT_NO_FATAL_FAILURE(Happen(FullOr(50, 5)));
  // Longer than the library's subscriber waits, in full also longer than the command line does.
  ASSERT_FALSE(log().Await(Of(client::EventKind::kPodMoved),
                           FullOr<Duration>(seconds(40), 2 * kIdleTimeout)));
  EXPECT_GE(Interruptions(), 1U);
  relay().Restore();
  TakeDown("stalled for", Now() - stalled);
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold());
  EXPECT_GE(tail().Remarks().size(), FullOr<size_t>(1, 0));
}

}  // namespace
}  // namespace vigil
