// How durations are spread over fixed buckets, as Prometheus counts them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace vigil {

// Any thread; no lock, and no allocation after it was made. What is read while others observe may
// lack the last of them.
class Histogram {
 public:
  // Each bucket takes what is no more than its bound; `bounds` grow, and outlive it. What is less
  // than nothing counts as nothing, since the sum must not shrink.
  explicit Histogram(std::span<const Duration> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(Duration value) {
    size_t bucket = 0;
    while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(std::max(value, Duration::zero()).count(), std::memory_order_relaxed);
  }

  std::span<const Duration> bounds() const { return bounds_; }

  struct Reading {
    // How many were no more than each bound, and then how many there were.
    std::vector<uint64_t> up_to;
    Duration sum{};
  };
  Reading Read() const {
    Reading reading;
    uint64_t total = 0;
    for (const auto& count : counts_) {
      reading.up_to.push_back(total += count.load(std::memory_order_relaxed));
    }
    reading.sum = Duration(nanoseconds_.load(std::memory_order_relaxed));
    return reading;
  }

 private:
  const std::span<const Duration> bounds_;
  // The last one takes what is beyond all bounds.
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<int64_t> nanoseconds_ = 0;
};

}  // namespace vigil
