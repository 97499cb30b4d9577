#include "app/health_signs.h"

#include "base/log.h"

namespace vigil {
namespace {

struct Service {
  const char* name;
  Sign sign;
};

// Pods and subscribers ask where they do better: those two have signs of their own.
constexpr Service kShown[] = {{"", Sign::kReady},
                              {"vigil.v1.WorkService", Sign::kReady},
                              {"vigil.v1.PodRegistryService", Sign::kPods},
                              {"vigil.v1.PodEventService", Sign::kEvents}};

void Log(const HealthCheck* failing) {
  if (failing == nullptr) {
    log::Info("Ready.");
  } else {
    log::Warning("Not ready any more.", {{"check", failing->name}, {"why", failing->sentence}});
  }
}

}  // namespace

HealthSigns::HealthSigns(grpc::HealthCheckServiceInterface& service) : service_(service) {
  static_assert(std::size(kShown) == kServices);
  for (const Service& shown : kShown) service_.SetServingStatus(shown.name, false);
}

void HealthSigns::Show(const Health& health) {
  const bool changed = health.Says(Sign::kReady) != shown_[0];
  for (size_t i = 0; i < kServices; ++i) {
    const bool says_yes = health.Says(kShown[i].sign);
    if (says_yes == shown_[i]) continue;
    shown_[i] = says_yes;
    service_.SetServingStatus(kShown[i].name, says_yes);
  }
  // Last: a log that nobody takes may hold its writers up.
  if (changed) Log(health.FirstFailing(Sign::kReady));
}

}  // namespace vigil
