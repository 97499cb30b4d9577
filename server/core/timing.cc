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
  if (const Duration least = 3 * timing.ping_interval; timing.trust_window < least) {
    return Refuse(
        fmt::format("trust window {:g} s < 3 x ping interval {:g} s = {:g} s: one late "
                    "ping would stop every lease",
                    Seconds(timing.trust_window), Seconds(timing.ping_interval), Seconds(least)),
        "Raise the trust window or ping more often.");
  }
  if (const Duration least = 2 * timing.probe_interval; timing.fast_grace < least) {
    return Refuse(
        fmt::format("FAST grace {:g} s < 2 x probe interval {:g} s = {:g} s: no "
                    "suspicion could be refuted in time",
                    Seconds(timing.fast_grace), Seconds(timing.probe_interval), Seconds(least)),
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

Result<void> CheckIdleSessionTimeout(Duration timeout, const Timing& timing) {
  const Duration least = 3 * timing.ping_interval;
  if (timeout >= least) return {};
  return Refuse(fmt::format("idle session timeout {:g} s < 3 x ping interval {:g} s = {:g} s: one "
                            "late ping would cost every lock",
                            Seconds(timeout), Seconds(timing.ping_interval), Seconds(least)),
                "Raise the idle session timeout or ping more often.");
}

LeaseTerms TermsFor(Duration lease) {
  const Duration longest_margin = std::chrono::milliseconds(500);
  return {lease, lease / 3, std::min(longest_margin, lease / 4)};
}

Duration Stretched(Duration duration, const Timing& timing) {
  const Duration thousandths = duration * timing.clock_rate_permille;
  return duration + (thousandths + Duration(999)) / 1000;  // rounded up: it must surely be over
}

Duration GraceFor(Profile profile, Duration lease, const Timing& timing) {
  if (profile == Profile::kFast) {
    return std::max(timing.fast_grace, Stretched(2 * TermsFor(lease).heartbeat_interval, timing));
  }
  return Stretched(timing.trust_window + lease, timing);
}

}  // namespace vigil
