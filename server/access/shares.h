// How much of a coordinator each identity has, so that none locks all others out.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vigil {

// Of what.
enum class ShareOf { kOpenings, kSessions, kSubscriptions, kRequests };

// What somebody has one of, for as long as this is kept. Any thread.
using Share = std::shared_ptr<const void>;

// Thread-safe. Shares may outlive it.
class Shares {
 public:
  struct Most {
    // Streams of pods that have not said who they are.
    size_t openings = 0;
    // Streams of pods that have, old ones beside those that come back.
    size_t sessions = 0;
    size_t subscriptions = 0;
    // Calls that wait for a transaction or run one.
    size_t requests = 0;
  };

  explicit Shares(const Most& most);

  // One more for who is known by this. Error LIMIT_REACHED.   (P11)
  Result<Share> Take(ShareOf what, std::string_view binding);

 private:
  struct Taken;

  const std::array<size_t, 4> most_;
  const std::shared_ptr<Taken> taken_;
};

}  // namespace vigil
