// Batches of events, and what is delivered of them.
#include "coordinator/delivery.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

// Transactions of so many events each.
std::vector<Event> Transactions(const std::vector<uint64_t>& sizes, size_t bytes_each) {
  std::vector<Event> events;
  for (const uint64_t size : sizes) {
    const uint64_t end = events.size() + size;
    while (events.size() < end) {
      Event event;
      event.seq = {events.size() + 1};
      event.transaction_end = {end};
      event.mark = {7};
      event.pod_name = std::string(bytes_each, 'x');
      events.push_back(std::move(event));
    }
  }
  return events;
}

// P8, P11: no transaction is split, and nothing is larger than it must be.
TEST(EventBatch, Split_AtTheEndsOfTransactions) {
  const size_t third = kLargestDelivery / 3 - 100;
  const auto batches = EventBatch::Split("default", Transactions({1, 1, 2, 4, 1}, third));
  std::vector<uint64_t> ends;
  for (const auto& batch : batches) {
    ends.push_back(batch->end().seq.value);
    EXPECT_EQ(batch->events().back().seq, batch->events().back().transaction_end);
  }
  EXPECT_EQ(ends, (std::vector<uint64_t>{2, 4, 8, 9}));
}

TEST(EventBatch, Split_SmallOnesStayTogether) {
  EXPECT_EQ(EventBatch::Split("default", Transactions({1, 2, 3}, 10)).size(), 1U);
  EXPECT_TRUE(EventBatch::Split("default", {}).empty());
}

TEST(EventBatch, For_TheSameFilterIsTheSameDelivery) {
  const EventBatch batch("default", Transactions({2}, 10));
  EXPECT_EQ(batch.For({}), batch.For({}));
  const auto& none = batch.For({.kinds = {EventKind::kPodDied}});
  EXPECT_TRUE(none->events().empty());
  EXPECT_EQ(none->cursor().position, batch.end());
}

int made = 0;
std::string Made(const Delivery& delivery) {
  ++made;
  return delivery.cursor().ns;
}

TEST(Delivery, As_IsMadeOnce) {
  const EventBatch batch("default", Transactions({2}, 10));
  EXPECT_EQ(batch.For({})->As<std::string>(Made), "default");
  EXPECT_EQ(batch.For({})->As<std::string>(Made), "default");
  EXPECT_EQ(made, 1);
}

}  // namespace
}  // namespace vigil
