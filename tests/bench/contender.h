// Whatever lets a survivor take over from the dead, measured beside Vigil.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "support/process.h"

namespace vigil::bench {

// How long after the SIGKILL of the victim the survivor was so far. Below zero: the victim was
// taken for dead while it lived.
struct Takeover {
  Duration noticed{};  // it knew that the victim is dead
  // Its compare-and-set on the victim's item was committed, and it knew. None where there is
  // nothing to claim.
  std::optional<Duration> claimed;
};

// One system with one setting. Each round has a victim, a process of its own that owns an item; the
// survivor is another process, or the bench's own, and stays. One thread at a time.
class Contender {
 public:
  struct Traits {
    // What its rows begin with.
    std::string name;
    // What its victim or survivor repeats by the clock: deaths are spread over so long.
    Duration period{};
    // Rounds that count, and rounds before, which do not.
    int samples = 0;
    int warm_up = 0;
    // Another system, whose best claim Vigil is compared with.
    bool is_peer = false;
  };

  explicit Contender(Traits traits) : traits_(std::move(traits)) {}
  virtual ~Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  const Traits& traits() const { return traits_; }

  // Its servers run and its survivor waits for deaths when this returns.
  virtual Result<void> Start() = 0;

  // Starts a victim, leaves it in peace for `peace` once it owns an item, kills it, and returns
  // when the survivor owns the item. REQUIRES: started.
  virtual Result<Takeover> Run(Duration peace) = 0;

 private:
  const Traits traits_;
};

// For a survivor that is a process: leaves the victim in peace, kills it, and waits for the
// survivor's line "claimed ITEM NOTICED CLAIMED", whose times are CLOCK_BOOTTIME in ns.
Result<Takeover> KillAndAwaitClaim(Process& victim, Process& survivor, const std::string& item,
                                   Duration peace, Duration within);

}  // namespace vigil::bench
