#include "core/bounded_queue.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

// P11
TEST(BoundedQueue, Push_RefusedBeyondTheCount) {
  BoundedQueue<int> queue({2, 100});
  EXPECT_TRUE(queue.Push(1, 1));
  EXPECT_TRUE(queue.Push(2, 1));
  EXPECT_FALSE(queue.Push(3, 1));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_TRUE(queue.Push(3, 1));
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), 3);
  EXPECT_TRUE(queue.empty());
}

// P11
TEST(BoundedQueue, Push_RefusedBeyondTheBytes) {
  BoundedQueue<int> queue({100, 10});
  EXPECT_TRUE(queue.Push(1, 6));
  EXPECT_FALSE(queue.Push(2, 5));
  EXPECT_EQ(queue.bytes(), 6u);
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(BoundedQueue, Push_OneThatIsTooLargeGoesAlone) {
  BoundedQueue<int> queue({100, 10});
  EXPECT_TRUE(queue.Push(1, 50));
  EXPECT_FALSE(queue.Push(2, 1));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_TRUE(queue.Push(2, 1));
}

}  // namespace
}  // namespace vigil
