// How good this coordinator's own link to the database is.
#pragma once

#include "base/clock.h"
#include "coordinator/liveness.h"
#include "coordinator/membership.h"
#include "core/health.h"
#include "core/timing.h"

namespace vigil {

// Three answers to the age of the last proof, by the liveness sessions and by the own row,
// whichever is older. In between a coordinator keeps its pods, and takes new ones, but offers
// itself to nobody.
//
// Invariant: where all coordinators lose the database at once, none is sound any more when the
// first one is degraded, whatever the phase of their pings (while an answer takes less than an
// interval). So an outage sends no pod from one to another.   (P9)
class OwnLink {
 public:
  OwnLink(const Membership& membership, const LivenessSessions& liveness, const Timing& timing)
      : membership_(membership), liveness_(liveness), timing_(timing) {}

  // Pods that leave a degraded coordinator are welcome.
  bool Sound(Instant now) const { return ProvenWithin(kSoundPings * timing_.ping_interval, now); }

  // Its pods do better to move, and no new one is taken.
  bool Degraded(Instant now) const {
    return !ProvenWithin(kDegradedPings * timing_.ping_interval, now);
  }

  // Leases may be granted.
  bool Trusted(Instant now) const { return ProvenWithin(timing_.trust_window, now); }

  // All of this, and by how much, for people; not what there is room for.
  LinkHealth Health(Instant now) const {
    const auto since = [now](const std::optional<Instant>& proven) {
      return proven ? std::optional(now - *proven) : std::nullopt;
    };
    LinkHealth health;
    health.answered = since(liveness_.answered());
    health.renewed = since(membership_.renewed());
    health.answers = liveness_.AnsweredWithin(timing_.trust_window, now);
    health.renews = membership_.RenewedWithin(timing_.trust_window, now);
    health.sound = Sound(now);
    return health;
  }

 private:
  // A proof is up to one interval old before the next one is sent.
  static constexpr int kSoundPings = 2;
  static constexpr int kDegradedPings = 4;

  bool ProvenWithin(Duration age, Instant now) const {
    return membership_.RenewedWithin(age, now) && liveness_.AnsweredWithin(age, now);
  }

  const Membership& membership_;
  const LivenessSessions& liveness_;
  const Timing timing_;
};

}  // namespace vigil
