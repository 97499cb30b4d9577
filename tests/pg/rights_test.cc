// The role of a running program has what it needs, and nothing else for longer than a version.
#include "pg/rights.h"

#include <fmt/format.h>

#include "cluster_test.h"

namespace vigil::pg {
namespace {

using std::chrono::seconds;

class RightsTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    // A cluster's, not a database's.
    role_ = "user_of_" + database();
    ASSERT_TRUE(Connect()->ExecuteScript(fmt::format("CREATE ROLE {}", role_), In(seconds(10))));
  }

  Result<void> Grant(const Rights& rights, const Schema& schema) {
    return GrantRights(conninfo(), rights, schema, role_, seconds(10));
  }

  bool May(const std::string& privilege, const std::string& table) {
    constexpr Statement kMay{"may", "SELECT has_table_privilege($1, 'house.' || $2, $3)"};
    auto rows = Connect()->Execute(
        {.steps = {{&kMay, {role_, table, privilege}}}, .changes = false}, In(seconds(10)));
    EXPECT_TRUE(rows);
    return rows && rows->front()[0].Bool();
  }

  static constexpr auto kTable = Right::Kind::kTable;
  const Schema old_{"house", "migrate", {{1, "rooms", "CREATE TABLE house.rooms (n int)"}}};
  const Rights old_rights_{"house", "grant", {{kTable, "rooms", {"SELECT"}}}};
  const Schema new_{"house",
                    "migrate",
                    {{1, "rooms", "CREATE TABLE house.rooms (n int)"},
                     {2, "doors", "CREATE TABLE house.doors (n int)", 1}}};
  const Rights new_rights_{
      "house", "grant", {{kTable, "rooms", {"SELECT", "INSERT"}}, {kTable, "doors", {"SELECT"}}}};

 private:
  std::string role_;
};

TEST_F(RightsTest, Grant_TakesWhatIsNotNeeded) {
  ASSERT_TRUE(Migrate(conninfo(), new_, seconds(20)));
  ASSERT_TRUE(Grant(new_rights_, new_));
  EXPECT_TRUE(May("INSERT", "rooms"));
  EXPECT_TRUE(May("SELECT", "doors"));

  ASSERT_TRUE(Grant(old_rights_, new_));
  EXPECT_TRUE(May("SELECT", "rooms"));
  EXPECT_FALSE(May("INSERT", "rooms"));
  EXPECT_FALSE(May("SELECT", "doors"));
}

// A pod of the version before restarts during an upgrade, and its init container migrates and
// grants.
TEST_F(RightsTest, Grant_OfAnOlderProgramTakesNothingFromANewerOne) {
  ASSERT_TRUE(Migrate(conninfo(), old_, seconds(20)));
  ASSERT_TRUE(Migrate(conninfo(), new_, seconds(20)));
  ASSERT_TRUE(Grant(new_rights_, new_));

  ASSERT_TRUE(Grant(old_rights_, old_));
  EXPECT_TRUE(May("SELECT", "rooms"));
  EXPECT_TRUE(May("INSERT", "rooms"));
  EXPECT_TRUE(May("SELECT", "doors"));
}

// It may be the older one that comes first, to a role that has nothing yet.
TEST_F(RightsTest, Grant_OfAnOlderProgramGivesWhatThatNeeds) {
  ASSERT_TRUE(Migrate(conninfo(), new_, seconds(20)));
  ASSERT_TRUE(Grant(old_rights_, old_));
  EXPECT_TRUE(May("SELECT", "rooms"));
  EXPECT_FALSE(May("SELECT", "doors"));
}

}  // namespace
}  // namespace vigil::pg
