#include "base/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace vigil {
namespace {

// Since Linux 6.3, where a machine may be set up to refuse files in memory that could be executed.
constexpr unsigned int kNeverExecuted = 0x8;

int Create() {
  const int descriptor = memfd_create("vigil", MFD_CLOEXEC | kNeverExecuted);
  if (descriptor >= 0 || errno != EINVAL) return descriptor;
  return memfd_create("vigil", MFD_CLOEXEC);
}

bool Fill(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return fchmod(descriptor, S_IRUSR) == 0;
}

void Close(int descriptor) {
  const int why = errno;
  if (descriptor >= 0) close(descriptor);
  errno = why;
}

}  // namespace

MemoryFile::~MemoryFile() { Close(descriptor_); }

// The number of the descriptor is the name, and leads from one moment to the next to another file.
bool MemoryFile::Replace(std::string_view text) {
  const int next = Create();
  if (next < 0) return false;
  bool placed = Fill(next, text);
  if (placed && descriptor_ < 0) {
    descriptor_ = next;
    return true;
  }
  placed = placed && dup3(next, descriptor_, O_CLOEXEC) >= 0;
  Close(next);
  return placed;
}

std::string MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

}  // namespace vigil
