// The arithmetic of leases, trust and grace.
//
// The timing promise of STRICT: a lease always ends before its pod's death is visible.   (P7)
//   L  the lease, counted on the pod's clock from the moment it *sent* the heartbeat that was
//   answered; T  the trust window, counted on the coordinator's clock from the moment it *sent* the
//   last ping that was answered; G  the grace, counted on the observer's clock from when it first
//   read the suspicion; r  a bound on how much the rates of any two of these clocks differ.
// On weak evidence the last lease may be granted T after the lock was last proven, and runs L from
// there: G >= (T + L) * (1 + r), with T the larger of the host's and the observer's own, since they
// may differ while a cluster is being changed. On strong evidence the host itself granted the last
// lease: it waits for L * (1 + r) since then.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "core/types.h"

namespace vigil {

struct Timing {
  Duration trust_window = std::chrono::seconds(15);
  Duration ping_interval = std::chrono::milliseconds(500);
  Duration probe_interval = std::chrono::milliseconds(500);
  // Weak evidence about a FAST pod, unless its lease is long; STRICT's grace is computed.
  Duration fast_grace = std::chrono::seconds(3);
  Duration default_lease = std::chrono::seconds(3);
  // r, in thousandths.
  int clock_rate_permille = 10;
};

inline constexpr Duration kShortestLease = std::chrono::milliseconds(500);
inline constexpr Duration kLongestLease = std::chrono::seconds(60);

// What a pod is told of how to count.
struct LeaseTerms {
  Duration lease{};
  Duration heartbeat_interval{};
  Duration stop_margin{};
};

// Refuses settings under which the promise would not hold or nothing would work; the message shows
// the arithmetic.
Result<void> CheckTiming(const Timing& timing);

// Refuses one that would end liveness sessions that are pinged in time. It does not enter the
// proof.
Result<void> CheckIdleSessionTimeout(Duration timeout, const Timing& timing);

// REQUIRES: a lease from kShortestLease to kLongestLease, which is all that a pod may ask for.
// A heartbeat every third of it, so that one that is lost costs no lease: the next one is sent at
// 2/3, and the margin begins at 3/4 or later.
LeaseTerms TermsFor(Duration lease);

// `duration` of somebody else's clock, surely over on ours.
Duration Stretched(Duration duration, const Timing& timing);

// How long a weak suspicion must stand. In FAST at least two thirds of the lease: a pod gives a
// silent host up after a third, and its resume may take another.   (P9)
Duration GraceFor(Profile profile, Duration lease, const Timing& timing);

}  // namespace vigil
