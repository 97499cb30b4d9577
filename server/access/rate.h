// How often each of many may do something.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace vigil {

// A bucket of tokens for each name: full at first, and filled at a steady rate. Forgets those that
// are full again; of more than ten thousand that are not, those that come last share one.   (P11)
//
// One thread.
class Rate {
 public:
  // So many in a second, and at once as many as in ten seconds. REQUIRES: at least one.
  explicit Rate(double per_second) : per_second_(per_second), most_(10 * per_second) {}

  // Takes a token; false when there is none.
  bool Take(std::string_view name, Instant now);

 private:
  struct Bucket {
    double tokens;
    Instant filled;
  };
  Bucket Filled(const Bucket& bucket, Instant now) const;
  void Forget(Instant now);

  const double per_second_;
  const double most_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace vigil
