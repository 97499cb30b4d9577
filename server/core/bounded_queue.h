// A queue that knows its limits.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

namespace vigil {

struct QueueLimits {
  size_t count = 0;
  size_t bytes = 0;
};

// First in, first out, bounded by count and by bytes. An item larger than all the bytes is taken
// when the queue is empty, so that nothing is undeliverable.   (P11)
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(QueueLimits limits) : limits_(limits) {}

  // False when the queue is full; the item is not taken.
  [[nodiscard]] bool Push(T item, size_t bytes) {
    const bool fits = items_.size() < limits_.count && bytes_ + bytes <= limits_.bytes;
    if (!fits && !items_.empty()) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    return true;
  }

  // REQUIRES: not empty.
  T Pop() {
    auto [item, bytes] = std::move(items_.front());
    items_.pop_front();
    bytes_ -= bytes;
    return std::move(item);
  }

  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  QueueLimits limits_;
  std::deque<std::pair<T, size_t>> items_;
  size_t bytes_ = 0;
};

}  // namespace vigil
