#include "app/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>

namespace vigil {
namespace {

constexpr std::chrono::seconds kInterval(10);
constexpr size_t kWorthIt = 16 << 20;

size_t Resident() {
  size_t total = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// What the process has and nobody uses.
size_t Spare() {
  const struct mallinfo2 info = mallinfo2();
  const size_t used = info.uordblks + info.hblkhd;
  const size_t resident = Resident();
  return resident > used ? resident - used : 0;
}

}  // namespace

void SpareMemory::GiveBack() {
  const Instant now = clock_.Now();
  if (now < looked_ + kInterval) return;
  looked_ = now;
  if (Spare() < kept_ + kWorthIt) return;
  malloc_trim(0);
  kept_ = Spare();
}

}  // namespace vigil
