// When this coordinator's database last acknowledged a commit.
#pragma once

#include <algorithm>
#include <atomic>

#include "base/clock.h"

namespace vigil {

// A server that a failover left behind can be read, but acknowledges no commit: what is read there
// is proven to be the log's by a commit that was sent later. Written by one thread, read by any.
class CommitProof {
 public:
  // A commit that was sent at `sent` is acknowledged.
  void Prove(Instant sent) { sent_ = std::max(sent_.load(), sent); }

  // When the last such commit was sent; the clock's beginning when there was none.
  Instant sent() const { return sent_; }

 private:
  std::atomic<Instant> sent_{};
};

}  // namespace vigil
