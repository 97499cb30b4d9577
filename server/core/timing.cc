#include "core/timing.h"

#include <fmt/format.h>

#include <algorithm>

namespace vigil {
namespace {

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Failure Refuse(std::string message, std::string hint) {
  return Fail(
      Error{Code::kInvalidArgument, "INVALID_FIELD", std::move(message), std::move(hint), {}});
}

}  // namespace

Result<void> CheckTiming(const Timing& timing) {
  if (timing.ping_interval <= Duration::zero() || timing.probe_interval <= Duration::zero()) {
    return Refuse("ping and probe intervals must be positive", "Set them to 500ms, the default.");
  }
  if (timing.clock_rate_permille < 0 || timing.clock_rate_permille > 500) {
    return Refuse(fmt::format("a clock rate bound of {} permille is outside 0 to 500",
                              timing.clock_rate_permille),
                  "Use 10, the default, unless your clocks are known to be worse.");
  }
  if (timing.trust_window < 3 * timing.ping_interval) {
    return Refuse(
        fmt::format(
            "trust window {:g} s < 3 x ping interval {:g} s: one late ping would stop every lease",
            Seconds(timing.trust_window), Seconds(timing.ping_interval)),
        "Raise the trust window or ping more often.");
  }
  if (timing.fast_grace < 2 * timing.probe_interval) {
    return Refuse(
        fmt::format(
            "FAST grace {:g} s < 2 x probe interval {:g} s: no suspicion could be refuted in time",
            Seconds(timing.fast_grace), Seconds(timing.probe_interval)),
        "Raise the FAST grace or probe more often.");
  }
  if (timing.default_lease < kShortestLease || timing.default_lease > kLongestLease) {
    return Refuse(
        fmt::format("default lease {:g} s is outside {:g} s to {:g} s",
                    Seconds(timing.default_lease), Seconds(kShortestLease), Seconds(kLongestLease)),
        "Use 3s, the default.");
  }
  return {};
}

LeaseTerms TermsFor(Duration lease) {
  const Duration longest_margin = std::chrono::milliseconds(500);
  return {lease, lease / 3, std::min(longest_margin, lease / 4)};
}

Duration Stretched(Duration duration, const Timing& timing) {
  return duration + duration * timing.clock_rate_permille / 1000;
}

Duration GraceFor(Profile profile, Duration lease, const Timing& timing) {
  if (profile == Profile::kFast) return timing.fast_grace;
  return Stretched(timing.trust_window + lease, timing);
}

}  // namespace vigil
