// Work of the policy ASSIGN goes to those who shall have it, whatever becomes of the coordinators.
#include <algorithm>
#include <csignal>
#include <map>

#include "scenario.h"

namespace vigil {
namespace {

using Labels = std::map<std::string, std::string>;

const Labels kGpu = {{"hardware", "gpu"}};
const Labels kCpu = {{"hardware", "cpu"}};

class Assignment : public Scenario {
 protected:
  // On this coordinator, as long as that one serves.
  ReportingProcess& PlayOn(int place, PodScript script) {
    script.addresses = cluster().Addresses(place);
    script.in_order = true;
    ReportingProcess& pod = Play(std::move(script));
    Expect(pod, "ready");
    return pod;
  }

  // Its items' next owners, when they have some.
  std::map<std::string, int> ExpectAssigned(const std::string& keys, int items) {
    std::map<std::string, int> owners;
    for (int i = 0; i < items; ++i) {
      const std::string key = keys + "0" + std::to_string(i);
      const auto claimed = ExpectEvent(key + " was assigned", Claimed(key));
      ++owners[claimed.event.pod_name];
      EXPECT_EQ(claimed.event.fence, client::Fence(2)) << key;
      EXPECT_EQ(Item(key).owner, claimed.event.incarnation) << key;
      EXPECT_EQ(log().Count(Claimed(key)), 1U) << key;
    }
    return owners;
  }
};

// P3, P5
TEST_F(Assignment, PodKilled_ThoseWhoMatchAndHaveTheFewestGetItsItems) {
  // No sweep, which could count at the same time as the one that is told of the death.
  ASSERT_NO_FATAL_FAILURE(StartCluster({.settings = {"--recovery-interval", "1h"}}));
  PlayOn(1, {.name = "few", .labels = kGpu, .items = 1, .keys = "few-"});
  PlayOn(2, {.name = "many", .labels = kGpu, .items = 5, .keys = "many-"});
  PlayOn(1, {.name = "other", .labels = kCpu});
  ReportingProcess& doomed =
      PlayOn(0, {.name = "doomed", .labels = kGpu, .items = 6, .heirs = kGpu});

  doomed.process().Signal(SIGKILL);

  const auto owners = ExpectAssigned("item-", 6);
  // Five each in the end: four of them until both have as many, and then in turn.
  EXPECT_EQ(owners, (std::map<std::string, int>{{"few", 5}, {"many", 1}}));
}

// P3: the coordinator that declared the death never comes to the items.
TEST_F(Assignment, CoordinatorKilledRightAfterItsVerdict_AnotherOneAssigns) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  PlayOn(1, {.name = "survivor", .labels = kGpu});
  ReportingProcess& doomed =
      PlayOn(0, {.name = "doomed", .labels = kGpu, .items = 3, .heirs = kGpu});
  DatabaseView holder(cluster().Conninfo());
  ASSERT_TRUE(holder.Execute("BEGIN; SELECT FROM vigil.work_items FOR UPDATE"));

  doomed.process().Signal(SIGKILL);
  ExpectEvent("doomed died", Of(client::EventKind::kPodDied, "doomed"));
  cluster().coordinator(0).Signal(SIGKILL);
  ASSERT_TRUE(cluster().coordinator(0).AwaitEnd(kPatience));
  EXPECT_EQ(log().Count(Of(client::EventKind::kWorkClaimed)), 0U);
  ASSERT_TRUE(holder.Execute("COMMIT"));

  EXPECT_EQ(ExpectAssigned("item-", 3), (std::map<std::string, int>{{"survivor", 3}}));
}

// What nobody may have waits for somebody who may.
TEST_F(Assignment, NobodyMatches_ItWaitsForAPodThatDoes) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& other = PlayOn(1, {.name = "other", .labels = kCpu, .claims = true});
  ReportingProcess& doomed =
      PlayOn(0, {.name = "doomed", .labels = kGpu, .items = 2, .heirs = kGpu});
  doomed.process().Signal(SIGKILL);
  ExpectEvent("doomed died", Of(client::EventKind::kPodDied, "doomed"));
  Expect(other, "dry");
  EXPECT_TRUE(other.Reports("claimed").empty());

  PlayOn(2, {.name = "heir", .labels = kGpu});

  EXPECT_EQ(ExpectAssigned("item-", 2), (std::map<std::string, int>{{"heir", 2}}));
}

}  // namespace
}  // namespace vigil
