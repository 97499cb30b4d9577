// A dump is loaded in the place of the database, as the page for operators says.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

class RestoreScenario : public Scenario {
 protected:
  // A command of the shell, with the programs of this Postgres.
  void Shell(const std::string& script) {
    const auto process =
        Process::Spawn({.command = {"bash", "-euo", "pipefail", "-c", script},
                        .environment = {{"BIN", Postgres().bin_directory()},
                                        {"DUMP", Postgres().directory() + "/vigil.dump"},
                                        {"DATABASE", cluster().Conninfo()}}});
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_EQ((*process)->AwaitEnd(seconds(60)), 0) << (*process)->Transcript();
  }

  // The first SQL of a page.
  static std::string SqlOf(const std::string& page) {
    std::ifstream file(std::string(VIGIL_SOURCE_DIR) + "/server/" + page);
    std::stringstream text;
    text << file.rdbuf();
    const std::string whole = text.str();
    const std::string begin = "```sql\n";
    const size_t sql = whole.find(begin);
    EXPECT_NE(sql, std::string::npos) << page;
    return whole.substr(sql + begin.size(), whole.find("```", sql + 1) - sql - begin.size());
  }

  static uint64_t Highest(Crowd& crowd) {
    uint64_t highest = 0;
    for (int i = 0; i < crowd.size(); ++i) {
      highest = std::max(highest, crowd.pod(i).standing().incarnation.value());
    }
    return highest;
  }
};

// P2, P5, P8
TEST_F(RestoreScenario, OlderDumpRestored_PodsRegisterAnewAndNoNumberIsGivenTwice) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 2}));
  const auto all = client::Client::Create({.addresses = cluster().Addresses()});
  ASSERT_TRUE(all);
  const client::Work work(*all, "default");
  const auto fast = client::Profile::kFast;
  Crowd before(*all, {.prefix = "before-", .size = 3, .profile = fast});
  ASSERT_EQ(before.AwaitRegistered(), "");
  const auto owner = before.pod(0).standing().incarnation;
  const auto started = work.Start(owner, "item");
  ASSERT_TRUE(started) << client::Describe(started.error());
  ASSERT_NO_FATAL_FAILURE(
      Shell(R"("$BIN/pg_dump" --schema=vigil --format=custom --file="$DUMP" "$DATABASE")"));

  // Lost with the database: pods, and an owner's fence.
  Crowd lost(*all, {.prefix = "later-", .size = 2, .profile = fast});
  ASSERT_EQ(lost.AwaitRegistered(), "");
  ASSERT_TRUE(work.Release(owner, "item", started->item.fence));
  const auto taken = work.ClaimOrphans(lost.pod(0).standing().incarnation);
  ASSERT_TRUE(taken && taken->size() == 1U);
  const client::Fence lost_fence = taken->front().fence;
  const uint64_t highest = Highest(lost);

  for (int place = 0; place < cluster().size(); ++place) {
    cluster().coordinator(place).Signal(SIGKILL);
    ASSERT_TRUE(cluster().coordinator(place).AwaitEnd(kPatience));
  }
  // With nobody to renew it, every lease ends: so the work has stopped.   (P7)
  for (Crowd* crowd : {&before, &lost}) {
    ASSERT_FALSE(crowd->AwaitAll(Lost, kPatience).empty());
  }
  ASSERT_NO_FATAL_FAILURE(Shell(R"(
    "$BIN/psql" -qX -v ON_ERROR_STOP=1 -c 'DROP SCHEMA vigil CASCADE' "$DATABASE" 2>/dev/null
    "$BIN/pg_restore" --exit-on-error --dbname="$DATABASE" "$DUMP")"));
  for (const char* page : {"README.md", "OPERATIONS.md"}) {
    const auto done = Database().Execute(SqlOf(page));
    ASSERT_TRUE(done) << page << ": " << done.error().message;
  }
  for (int place = 0; place < cluster().size(); ++place) {
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }
  ASSERT_NO_FATAL_FAILURE(WatchFrom(0));

  for (int i = 0; i < before.size(); ++i) {
    ExpectEvent("one that was alive in the dump dies again",
                Of(client::EventKind::kPodDied, before.name(i)), seconds(60));
  }
  Crowd anew(*all, {.prefix = "later-", .size = 2, .profile = fast});
  ASSERT_EQ(anew.AwaitRegistered(), "");
  const auto first = std::min(anew.pod(0).standing().incarnation.value(),
                              anew.pod(1).standing().incarnation.value());
  EXPECT_GT(first, highest);
  const auto claimed = work.ClaimOrphans(anew.pod(0).standing().incarnation);
  ASSERT_TRUE(claimed && claimed->size() == 1U);
  EXPECT_GT(claimed->front().fence, lost_fence);
}

}  // namespace
}  // namespace vigil
