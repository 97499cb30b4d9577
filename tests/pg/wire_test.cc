// Parameters and rows carry every type there and back.
#include <gmock/gmock.h>

#include "cluster_test.h"

namespace vigil::pg {
namespace {

using WireTest = ClusterTest;

constexpr Statement kEcho{
    "echo",
    "SELECT $1::bigint, $2::text, $3::bytea, $4::interval, $5::bigint[] = ARRAY[3, -4]::bigint[],"
    "       $6::text[] = ARRAY['a', '', 'ü,\"}'], $7::bigint[] = '{}', NULL::text,"
    "       timestamptz '2026-01-02 03:04:05.678901+00', 7::integer, false,"
    "       $8::bool[] = ARRAY[true, false], $9::interval[] = ARRAY['1.5 s', '-1 us']::interval[]"};

TEST_F(WireTest, Params_AreReadBackAsTheyWere) {
  auto connection = Connect();
  const std::string bytes("\0\xff'\\x", 5);
  auto rows = connection->Execute(
      {.steps = {{&kEcho,
                  {int64_t{-5}, "text ü", Param::Bytes(bytes),
                   Duration(std::chrono::milliseconds(90'061'001)), std::vector<int64_t>{3, -4},
                   std::vector<std::string>{"a", "", "ü,\"}"}, std::vector<int64_t>{},
                   std::vector<bool>{true, false},
                   std::vector<Duration>{std::chrono::milliseconds(1500),
                                         -std::chrono::microseconds(1)}}}},
       .changes = false},
      In(std::chrono::seconds(10)));
  ASSERT_TRUE(rows) << rows.error().error.message;
  ASSERT_EQ(rows->front().size(), 1);
  Row row = rows->front()[0];
  EXPECT_EQ(row.Bigint(), -5);
  EXPECT_EQ(row.Text(), "text ü");
  EXPECT_EQ(row.Bytes(), bytes);
  EXPECT_EQ(row.Interval(), std::chrono::milliseconds(90'061'001));
  EXPECT_TRUE(row.Bool());
  EXPECT_TRUE(row.Bool());
  EXPECT_TRUE(row.Bool());
  EXPECT_TRUE(row.IsNull());
  EXPECT_EQ(row.Text(), "");
  EXPECT_EQ(row.Micros(), 1767323045678901);
  EXPECT_EQ(row.Bigint(), 7);
  EXPECT_FALSE(row.Bool());
  EXPECT_TRUE(row.Bool());
  EXPECT_TRUE(row.Bool());
}

TEST(SqlstateTest, Rules_AreFoundByCodeThenByClass) {
  EXPECT_EQ(RuleOf("57014").sqlstate, "57014");
  EXPECT_TRUE(RuleOf("57014").keeps_connection);
  EXPECT_EQ(RuleOf("57P01").sqlstate, "57");
  EXPECT_FALSE(RuleOf("57P01").keeps_connection);
  EXPECT_TRUE(RuleOf("40P01").retry);
  EXPECT_EQ(RuleOf("23514").reason, kInternal);
  EXPECT_EQ(RuleOf("").reason, kInternal);
}

}  // namespace
}  // namespace vigil::pg
