#include "core/mass_suspicion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Instant kStart{seconds(1000)};
constexpr seconds kGrace(3);
constexpr uint64_t kLiving = 20;

using Due = std::vector<Standing<SuspicionNumber>>;

Due Numbered(uint64_t first, uint64_t last, Duration grace = kGrace) {
  Due due;
  for (uint64_t number = first; number <= last; ++number) due.push_back({{number}, grace});
  return due;
}

class MassSuspicion : public testing::Test {
 protected:
  MassHold<SuspicionNumber>::Ruling Weigh(const Due& due, Duration at) {
    return hold_.Weigh(due, due.size(), kLiving, kStart + at);
  }
  MassHold<SuspicionNumber> hold_{{.share_percent = 25, .pods = 5}};
};

TEST(MassLimits, MoreThanTheShareAndMoreThanAFew) {
  const MassLimits limits{.share_percent = 25, .pods = 5};
  EXPECT_FALSE(limits.Exceeded(5, 6));
  EXPECT_TRUE(limits.Exceeded(6, 6));
  EXPECT_TRUE(limits.Exceeded(6, 23));
  EXPECT_FALSE(limits.Exceeded(6, 24));
  EXPECT_FALSE((MassLimits{.share_percent = 100, .pods = 0}).Exceeded(9, 9));
  EXPECT_TRUE((MassLimits{.share_percent = 0, .pods = 0}).Exceeded(1, 1'000'000));
}

TEST_F(MassSuspicion, BelowIt_AtOnce) {
  const auto ruling = Weigh(Numbered(1, 5), seconds(0));
  EXPECT_THAT(ruling.carried_out, SizeIs(5));
  EXPECT_EQ(ruling.held, 0U);
  EXPECT_FALSE(ruling.begins);
}

// P2: held, but not for ever.
TEST_F(MassSuspicion, HeldForOneMoreGraceThenCarriedOut) {
  const auto first = Weigh(Numbered(1, 6), seconds(0));
  EXPECT_THAT(first.carried_out, IsEmpty());
  EXPECT_EQ(first.held, 6U);
  EXPECT_EQ(first.longest, kGrace);
  EXPECT_TRUE(first.begins);
  const auto second = Weigh(Numbered(1, 6), seconds(2));
  EXPECT_THAT(second.carried_out, IsEmpty());
  EXPECT_EQ(second.longest, seconds(1));
  EXPECT_FALSE(second.begins);
  EXPECT_THAT(Weigh(Numbered(1, 6), seconds(3)).carried_out, SizeIs(6));
}

TEST_F(MassSuspicion, AHeldOneStaysHeldWhenTheMassShrinks) {
  Weigh(Numbered(1, 6), seconds(0));
  EXPECT_THAT(Weigh(Numbered(1, 1), seconds(2)).carried_out, IsEmpty());
  EXPECT_THAT(Weigh(Numbered(1, 1), seconds(3)).carried_out, ElementsAre(SuspicionNumber{1}));
}

// P2: each is held for its own grace once, whatever joins.
TEST_F(MassSuspicion, WhatJoinsLaterExtendsNothing) {
  Weigh(Numbered(1, 6), seconds(0));
  Weigh(Numbered(1, 9), seconds(2));
  EXPECT_THAT(Weigh(Numbered(1, 12), seconds(3)).carried_out, SizeIs(6));
  EXPECT_THAT(Weigh(Numbered(7, 12), seconds(5)).carried_out,
              ElementsAre(SuspicionNumber{7}, SuspicionNumber{8}, SuspicionNumber{9}));
  EXPECT_THAT(Weigh(Numbered(10, 12), seconds(6)).carried_out, SizeIs(3));
}

TEST_F(MassSuspicion, ThoseThatAreNotDueYetCount) {
  EXPECT_THAT(hold_.Weigh(Numbered(1, 1), 6, kLiving, kStart).carried_out, IsEmpty());
  EXPECT_THAT(hold_.Weigh(Numbered(2, 2), 5, kLiving, kStart).carried_out, SizeIs(1));
}

// P10: an observer that forgot what it saw begins anew.
TEST_F(MassSuspicion, WhatIsNotDueAnyMoreIsForgotten) {
  Weigh(Numbered(1, 6), seconds(0));
  Weigh({}, seconds(1));
  const auto anew = Weigh(Numbered(1, 6), seconds(4));
  EXPECT_THAT(anew.carried_out, IsEmpty());
  EXPECT_TRUE(anew.begins);
}

}  // namespace
}  // namespace vigil
