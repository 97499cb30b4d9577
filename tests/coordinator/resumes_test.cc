// Many pods that come at once, more than a coordinator serves in time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "coordinator/simulated_cluster.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class Overload : public testing::Test {
 protected:
  // The stream of a pod that asks for its session; nothing has happened yet.
  PodHandle BeginResume(SimulatedCluster::Member& member, const PodHandle& registered) {
    auto stream = std::make_shared<RecordedPodStream>();
    const auto& answer = *registered->Last<RegisteredAnswer>();
    member.coordinator.conversations().Opened(stream);
    member.coordinator.conversations().Received(
        stream,
        ResumeMessage{SimulatedCluster::kNamespace, answer.pod.incarnation, answer.session_token});
    return stream;
  }

  SimulatedCluster cluster_;
};

// P9: the events of a namespace are committed one after the other, so that the last pod of a
// coordinator that is lost waits for all commits before its own.
TEST_F(Overload, Resume_ThoseWhoMoveTogetherShareTransactions) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  std::vector<PodHandle> pods;
  for (int i = 0; i < 300; ++i) {
    pods.push_back(cluster_.Register(host, "p" + std::to_string(i), Profile::kStrict));
  }
  std::vector<PodHandle> resumed;
  for (const PodHandle& pod : pods) resumed.push_back(BeginResume(other, pod));
  cluster_.scheduler.Settle();

  for (const PodHandle& pod : resumed) EXPECT_NE(pod->Last<ResumedAnswer>(), nullptr);
  std::set<uint64_t> transactions;
  uint64_t moves = 0;
  for (const Event& event : cluster_.Log()) {
    if (event.kind != EventKind::kPodMoved) continue;
    transactions.insert(event.transaction_end.value);
    ++moves;
  }
  EXPECT_EQ(moves, pods.size());
  EXPECT_THAT(transactions, SizeIs(Le(pods.size() / kMostResumed + 5)));
}

// P9: or else those who still wait have to wait for what others have given up, until they have
// given up as well.
TEST_F(Overload, Resume_ThatNobodyWaitsForAnyMoreIsNotBegun) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  const SessionNumber session = cluster_.Look("a").session;
  other.lane.StallNext(seconds(2));
  const auto given_up = BeginResume(other, pod);
  cluster_.scheduler.Advance(seconds(1));
  EXPECT_TRUE(cluster_.Beat(host, pod));
  cluster_.Break(other, given_up);
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_EQ(cluster_.Look("a").session, session);
  EXPECT_TRUE(cluster_.Beat(host, pod)) << "its host was not told of another session";

  const auto resumed = cluster_.Resume(other, pod);
  EXPECT_NE(resumed->Last<ResumedAnswer>(), nullptr);
  EXPECT_THAT(cluster_.Log(), SizeIs(2));
}

// The pod asked again on the same coordinator, which has not seen the end of the first stream yet.
TEST_F(Overload, Resume_TwiceAtOnceIsHostedInTheNewerSession) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  const auto first = BeginResume(other, pod);
  const auto second = BeginResume(other, pod);
  cluster_.scheduler.Settle();
  ASSERT_NE(second->Last<ResumedAnswer>(), nullptr);
  EXPECT_EQ(cluster_.Look("a").session, second->Last<ResumedAnswer>()->pod.session);
  EXPECT_TRUE(first->ended);
  EXPECT_TRUE(cluster_.Beat(other, second));
}

TEST_F(Overload, Registration_ThatNobodyWaitsForAnyMoreIsNotBegun) {
  auto& host = cluster_.Add();
  host.lane.StallNext(seconds(2));
  const auto pod = cluster_.BeginRegister(host, {.name = "a"});
  cluster_.scheduler.Advance(seconds(1));
  cluster_.Break(host, pod);
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_THAT(cluster_.Log(), IsEmpty());
}

}  // namespace
}  // namespace vigil
