// What readers make of an output that several owners have written: pure, a stream at a time.
#include "examples/item_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil {
namespace {

using ::testing::ElementsAre;

ItemOutput ReadAll(const std::vector<std::string>& stream) {
  ItemOutput output;
  for (const std::string& line : stream) EXPECT_TRUE(output.Read(line)) << line;
  return output;
}

TEST(ItemOutputTest, OneOwner_AllOfIt) {
  const ItemOutput output =
      ReadAll({"1 from 0", "1 0 a word", "1 1  spaces  stay ", "1 2 ", "1 settled 2"});
  EXPECT_THAT(output.lines(), ElementsAre("a word", " spaces  stay ", ""));
  EXPECT_EQ(output.settled(), 2U);
}

// P5
TEST(ItemOutputTest, TakenOver_GoesOnFromTheCheckpoint) {
  const ItemOutput output = ReadAll({"1 from 0", "1 0 a", "1 1 b", "1 settled 2", "1 2 lost",
                                     "2 from 2", "2 2 c", "2 settled 3"});
  EXPECT_THAT(output.lines(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(output.settled(), 3U);
}

// P5: whatever a stale owner says, and whenever.
TEST(ItemOutputTest, LateWriter_IsDropped) {
  const ItemOutput output =
      ReadAll({"1 from 0", "1 0 a", "1 1 lost", "2 from 1", "1 2 late", "2 1 b", "1 settled 3",
               "1 from 0", "1 0 late", "2 2 c", "1 1 late"});
  EXPECT_THAT(output.lines(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(output.settled(), 1U);
}

TEST(ItemOutputTest, WhatIsSettledStays) {
  ItemOutput output = ReadAll({"1 from 0", "1 0 a", "1 settled 1"});
  EXPECT_FALSE(output.Read("2 from 0"));
  EXPECT_THAT(output.lines(), ElementsAre("a"));
}

TEST(ItemOutputTest, Repeated_CountsOnce) {
  const ItemOutput output =
      ReadAll({"1 from 0", "1 from 0", "1 0 a", "1 0 a", "1 1 b", "1 0 a", "1 from 0"});
  EXPECT_THAT(output.lines(), ElementsAre("a", "b"));
}

TEST(ItemOutputTest, WhatIsMissingOrMalformedIsSaid) {
  ItemOutput output = ReadAll({"1 from 0", "1 0 a"});
  for (const char* line : {"1 2 gap", "1 settled 2", "2 from 2", "2 1 no from before it", "", "1",
                           "x from 0", "1 from", "1 settled x", "1 word"}) {
    EXPECT_FALSE(output.Read(line)) << line;
  }
  EXPECT_THAT(output.lines(), ElementsAre("a"));
  EXPECT_EQ(output.settled(), 0U);
}

}  // namespace
}  // namespace vigil
