// How pods are looked at.
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreTest, GetPod_TheLivingOneOrTheLastThatEnded) {
  Host host = AddHost();
  EXPECT_EQ(ReasonOf(store().GetPod(kNs, "cart")), reason::kPodNotFound);
  Kill(Register(host, "cart"));
  Pod second = Register(host, "cart");
  EXPECT_EQ(Must(store().GetPod(kNs, "cart")).incarnation, second.incarnation);
  Kill(second);
  Pod ended = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(ended.incarnation, second.incarnation);
  EXPECT_EQ(ended.state, PodState::kDead);
  EXPECT_EQ(ReasonOf(store().GetPod("nowhere", "cart")), reason::kPodNotFound);
}

TEST_P(StoreTest, BindingOfPod_OfTheLivingAndOfTheEnded) {
  Host host = AddHost();
  NewPod bound = Newcomer(host, "bound");
  bound.session_token = "secret.whose";
  const Pod pod = RegisterAs(bound).pod;
  EXPECT_EQ(Must(store().BindingOfPod(kNs, pod.incarnation)), "whose");
  Kill(pod);
  EXPECT_EQ(Must(store().BindingOfPod(kNs, pod.incarnation)), "whose");
  EXPECT_EQ(Must(store().BindingOfPod(kNs, Register(host, "anybody's").incarnation)), "");
  EXPECT_EQ(ReasonOf(store().BindingOfPod("nowhere", pod.incarnation)), reason::kPodNotFound);
}

TEST_P(StoreTest, ListPods_PagesByIncarnation) {
  Host host = AddHost();
  std::vector<Incarnation> all;
  std::vector<Incarnation> living;
  for (int i = 0; i < 7; ++i) {
    Pod pod = Register(host, "cart-" + std::to_string(i));
    all.push_back(pod.incarnation);
    if (i % 3 == 1) {
      Kill(pod);
    } else {
      living.push_back(pod.incarnation);
    }
  }
  Register(host, "elsewhere", "other");

  for (bool include_ended : {true, false}) {
    const auto& expected = include_ended ? all : living;
    for (uint32_t limit : {1U, 2U, 3U, 5U, 7U, 100U}) {
      std::vector<Incarnation> found;
      PodPage page{.more = true};
      while (page.more) {
        page = Must(store().ListPods(kNs, include_ended,
                                     found.empty() ? Incarnation{} : found.back(), limit));
        ASSERT_LE(page.pods.size(), limit);
        ASSERT_FALSE(page.pods.empty()) << "a page that says more has more";
        for (const Pod& pod : page.pods) found.push_back(pod.incarnation);
      }
      EXPECT_EQ(found, expected) << "with the limit " << limit;
    }
  }
}

TEST_P(StoreTest, ListPods_OfAnUnknownNamespaceIsEmpty) {
  PodPage page = Must(store().ListPods("nowhere", true, {}, 10));
  EXPECT_THAT(page.pods, IsEmpty());
  EXPECT_FALSE(page.more);
  PodSnapshot snapshot = Must(store().Snapshot("nowhere"));
  EXPECT_THAT(snapshot.pods, IsEmpty());
  EXPECT_EQ(snapshot.head, Position{});
}

TEST_P(StoreTest, Snapshot_LivingPodsAndHead) {
  Host host = AddHost();
  Pod alive = Register(host, "alive");
  Pod suspect = Register(host, "suspect");
  Kill(Register(host, "dead"));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));

  PodSnapshot snapshot = Must(store().Snapshot(kNs));

  std::set<Incarnation> found;
  for (const Pod& pod : snapshot.pods) found.insert(pod.incarnation);
  EXPECT_THAT(found, ElementsAre(alive.incarnation, suspect.incarnation));
  EXPECT_EQ(snapshot.head, EventsAfter({}).back().position());
}

}  // namespace
}  // namespace vigil
