// A callback that blocks costs a bounded number of those behind it, and says how many it cost.
// (P11)
#include "callback_lane.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vigil::client {
namespace {

TEST(CallbackLaneTest, Blocked_KeepsSoManyAndTellsHowManyItLeftOut) {  // P11
  std::vector<std::string> told;
  {
    CallbackLane lane([&](std::size_t count) { told.push_back(std::to_string(count)); });
    Signal began;
    Signal go_on;
    lane.Post([&] {
      began.Set();
      go_on.Wait();
    });
    began.Wait();
    for (std::size_t i = 0; i < CallbackLane::kMost; ++i)
      lane.Post([&] { told.push_back("kept"); });
    for (int i = 0; i < 7; ++i) lane.Post([&] { told.push_back("left out"); });
    lane.PostSurely([&] { told.push_back("over"); });
    go_on.Set();
  }
  std::vector<std::string> expected(CallbackLane::kMost, "kept");
  expected.insert(expected.end(), {"7", "over"});
  EXPECT_EQ(told, expected);
}

TEST(CallbackLaneTest, Blocked_IsToldAnewEachTime) {
  std::vector<std::size_t> told;
  CallbackLane lane([&](std::size_t count) { told.push_back(count); });
  for (const std::size_t more : {1U, 2U}) {
    Signal began;
    Signal go_on;
    Signal done;
    lane.Post([&] {
      began.Set();
      go_on.Wait();
    });
    began.Wait();
    for (std::size_t i = 0; i < CallbackLane::kMost + more; ++i) lane.Post([] {});
    lane.PostSurely([&] { done.Set(); });
    go_on.Set();
    done.Wait();
    EXPECT_EQ(told.back(), more);
  }
  EXPECT_EQ(told.size(), 2U);
}

}  // namespace
}  // namespace vigil::client
