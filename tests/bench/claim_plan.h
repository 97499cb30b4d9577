// Which claimer goes for which item, whoever carries it out.
#pragma once

#include <cstdint>
#include <string>

namespace vigil::bench {

// Claimer c makes claim n of the item with the key `first_key + c * key_stride + n`, as the
// incarnation `first_claimant + c`; the item's owner is `first_owner + c * owner_stride`.
struct ClaimPlan {
  std::string ns;
  int claimers = 1;
  // Of each claimer.
  int claims = 1;
  // Keys are decimal numbers.
  int64_t first_key = 0;
  // 0 when all claimers go for the same items.
  int64_t key_stride = 0;
  int64_t owner_stride = 0;
  uint64_t first_claimant = 0;
  uint64_t first_owner = 0;
  uint64_t fence = 0;
};

}  // namespace vigil::bench
