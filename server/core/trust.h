// Trust in a link: for how long after the last proof it may still be relied on.
#pragma once

#include <optional>

#include "base/clock.h"

namespace vigil {

// Holds while less than the window has passed since the *sending* of the last request that was
// answered: the answer proves what was true at some moment after the sending, so counting from the
// answer would count too long.   (P7)
class TrustWindow {
 public:
  explicit TrustWindow(Duration window) : window_(window) {}

  // A request sent at `sent` was answered.
  void Prove(Instant sent) {
    if (!proven_ || sent > *proven_) proven_ = sent;
  }

  void Revoke() { proven_.reset(); }

  bool Holds(Instant now) const { return YoungerThan(window_, now); }

  // Whether the last proof is that recent, whatever the window.
  bool YoungerThan(Duration age, Instant now) const { return proven_ && now - *proven_ < age; }

  std::optional<Instant> proven() const { return proven_; }

 private:
  Duration window_;
  std::optional<Instant> proven_;
};

}  // namespace vigil
