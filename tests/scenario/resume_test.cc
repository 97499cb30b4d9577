// A pod that moves does not hear the answer.
#include <random>

#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "support/relay.h"

namespace vigil {
namespace {

using std::chrono::seconds;

// The server's default, which these pods take.
constexpr auto kLease = seconds(3);

// The handshake, the answer to the resume and the first heartbeats are within as many bytes.
constexpr unsigned kAnswers = 600;

class LostAnswers : public Scenario {
 protected:
  void Start() {
    ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 2}));
    std::vector<std::string> addresses;
    for (int place = 0; place < cluster().size(); ++place) {
      auto relay = Relay::Start(cluster().port(place));
      ASSERT_TRUE(relay) << relay.error().message;
      addresses.push_back((*relay)->address());
      relays_.push_back(std::move(*relay));
    }
    const auto client = client::Client::Create({.addresses = addresses, .spread = false});
    ASSERT_TRUE(client);
    // STRICT: the end of a FAST pod's stream is a verdict at once.
    crowd_ = std::make_unique<Crowd>(*client, Crowd::Options{.size = 4});
    ASSERT_EQ(crowd_->AwaitRegistered(), "");
  }

  bool EverybodyIsWhereHeThinks(Instant renewed_since) {
    for (int i = 0; i < crowd().size(); ++i) {
      const client::Standing standing = crowd().pod(i).standing();
      const Instant lease_until(standing.lease_until.time_since_epoch());
      if (!Hosted(standing) || lease_until < renewed_since + kLease) return false;
      if (PodNamed(crowd().name(i)).session != standing.session) return false;
    }
    const auto locks = Database().ReadLocks();
    return locks && locks->Settled(crowd().size(), cluster().size());
  }

  std::vector<std::unique_ptr<Relay>>& relays() { return relays_; }
  Crowd& crowd() { return *crowd_; }

 private:
  std::vector<std::unique_ptr<Relay>> relays_;
  std::unique_ptr<Crowd> crowd_;
};

// P1, P9
TEST_F(LostAnswers, AnswerToAResumeLost_OneSessionAndNobodyDies) {
  ASSERT_NO_FATAL_FAILURE(Start());
  std::mt19937 random(1);
  for (int round = 0; round < FullOr(50, 5); ++round) {
    const size_t host =
        static_cast<size_t>(cluster().PlaceOf(crowd().pod(0).standing().coordinator));
    const size_t other = 1 - host;
    const size_t bytes = random() % kAnswers;
    const auto loss = random() % 2 == 0 ? Relay::Loss::kReset : Relay::Loss::kSilence;
    SCOPED_TRACE("round " + std::to_string(round) + ": after " + std::to_string(bytes) +
                 " bytes, " + (loss == Relay::Loss::kReset ? "reset" : "silence"));

    const Instant cut = Now();
    relays()[other]->LoseAnswersAfter(bytes, loss);
    relays()[host]->Isolate();
    ASSERT_TRUE(relays()[other]->AwaitLoss(kPatience));
    relays()[host]->Restore();

    // One session for each pod, and it is the one that the pod knows. What was lost may have been
    // an answer to somebody who was hosted again already and does not know yet, so that everybody's
    // lease must have grown since. Two losses within one lease would be another fault.
    const Instant lost = Now();
    EXPECT_TRUE(Eventually(kPatience, [&] { return EverybodyIsWhereHeThinks(lost); }));
    TakeDown("everybody has one session again", Now() - cut);
    ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
    ExpectNone("LOST", crowd().lost());
    if (HasFailure()) break;
  }
  EXPECT_EQ(crowd().changed(), 0U);
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodRegistered)),
            static_cast<size_t>(crowd().size()));
}

}  // namespace
}  // namespace vigil
