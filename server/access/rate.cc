#include "access/rate.h"

#include <algorithm>
#include <chrono>

namespace vigil {
namespace {

constexpr size_t kMostBuckets = 10'000;

}  // namespace

bool Rate::Take(std::string_view name, Instant now) {
  auto found = buckets_.find(std::string(name));
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMostBuckets) Forget(now);
    const std::string_view whose = buckets_.size() < kMostBuckets ? name : std::string_view();
    found = buckets_.try_emplace(std::string(whose), Bucket{most_, now}).first;
  }
  Bucket& bucket = found->second;
  bucket = Filled(bucket, now);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

Rate::Bucket Rate::Filled(const Bucket& bucket, Instant now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  return {std::min(most_, bucket.tokens + seconds * per_second_), now};
}

void Rate::Forget(Instant now) {
  std::erase_if(buckets_,
                [&](const auto& entry) { return Filled(entry.second, now).tokens >= most_; });
}

}  // namespace vigil
