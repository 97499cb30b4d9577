// Many orphans at once, and more than one who wants them.
#include <csignal>
#include <map>

#include "scenario.h"

namespace vigil {
namespace {

// P5, P6
TEST_F(Scenario, TwoSurvivors_ClaimEachOrphanOnce) {
  constexpr int kOrphans = 20;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& owner = Play({.name = "owner", .items = kOrphans});
  const auto incarnation = ExpectRegistered(owner);
  Expect(owner, "ready");
  ReportingProcess& left = Play({.name = "left", .claims = true});
  ReportingProcess& right = Play({.name = "right", .claims = true});
  Expect(left, "ready");
  Expect(right, "ready");

  owner.process().Signal(SIGKILL);

  Expect(left, "dry");
  Expect(right, "dry");
  const auto died = ExpectEvent("owner died", Of(client::EventKind::kPodDied, "owner"));
  EXPECT_EQ(died.event.orphans, static_cast<uint32_t>(kOrphans));
  std::map<std::string, int> claims;
  for (const ReportingProcess* survivor : {&left, &right}) {
    for (const Report& claimed : survivor->Reports("claimed")) {
      ++claims[claimed.Text("key")];
      EXPECT_EQ(claimed.Number("fence"), 2U);
    }
  }
  EXPECT_EQ(claims.size(), static_cast<size_t>(kOrphans));
  for (const auto& [key, count] : claims) {
    EXPECT_EQ(count, 1) << key;
    const auto event = ExpectEvent(key + " was claimed", Claimed(key));
    EXPECT_EQ(event.event.previous_owner, incarnation);
    EXPECT_EQ(Item(key).owner, event.event.incarnation);
  }
  EXPECT_EQ(log().Count(Of(client::EventKind::kWorkClaimed)), static_cast<size_t>(kOrphans));
}

}  // namespace
}  // namespace vigil
