// A machine that has far too much to do.
#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr int kHogs = 4;

// P9, P10: whoever is late because the machine is, is not dead.
TEST_F(Scenario, MachineOverloaded_NobodyDies) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const auto all = client::Client::Create({.addresses = cluster().Addresses()});
  ASSERT_TRUE(all);
  Crowd crowd(*all, {.size = FullOr(200, 20)});
  ASSERT_EQ(crowd.AwaitRegistered(), "");

  std::vector<std::unique_ptr<Process>> hogs;
  for (int i = 0; i < kHogs; ++i) {
    auto hog = Process::Spawn({.command = {"/bin/sh", "-c", "while :; do :; done"}});
    ASSERT_TRUE(hog) << hog.error().message;
    hogs.push_back(std::move(*hog));
  }

  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), FullOr(seconds(300), seconds(10))));
  for (const auto& hog : hogs) EXPECT_TRUE(hog->running());
  ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
  ExpectNone("LOST", crowd.lost());
  EXPECT_EQ(crowd.changed(), 0U);
}

}  // namespace
}  // namespace vigil
