#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "app/server.h"

namespace vigil {
namespace {

// Loops, files that are read again, the listener of the log, and gRPC's own.
constexpr size_t kOthers = 128;
// Below this there is nobody to serve.
constexpr size_t kLeastShare = 16;

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

size_t ShareOfDescriptors(const Config& config) {
  rlimit limit{};
  const size_t all = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
  const size_t taken = static_cast<size_t>(ConnectionsOf(config)) + kOthers;
  return std::max(kLeastShare, (all - std::min(all, taken)) / 2);
}

}  // namespace vigil
