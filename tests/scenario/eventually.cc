#include "eventually.h"

#include <poll.h>

#include "support/process.h"

namespace vigil {
namespace {

constexpr int kLookMilliseconds = 10;

}  // namespace

bool Eventually(Duration within, const std::function<bool()>& holds) {
  const Instant deadline = Now() + within;
  while (!holds()) {
    if (Now() >= deadline) return false;
    poll(nullptr, 0, kLookMilliseconds);
  }
  return true;
}

}  // namespace vigil
