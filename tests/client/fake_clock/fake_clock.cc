// A machine whose clocks go wrong, for the program that preloads this (LD_PRELOAD).
//
//   FAKE_CLOCK_RATE   how fast CLOCK_BOOTTIME goes, beside the true one: 1.005
//   FAKE_CLOCK_WALL   a file of eight bytes: the nanoseconds that are added to the wall clock, as
//   of
//                     each reading, so that a test can set the clock while the program runs
//
// Timers on CLOCK_BOOTTIME with an absolute time go by the same clock. The faketime of Debian 12
// cannot stand in for it: it lets such timers run out at once.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t Nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }
timespec Timespec(std::int64_t ns) { return {ns / kSecond, ns % kSecond}; }

double Rate() {
  static const double rate = [] {
    const char* text = getenv("FAKE_CLOCK_RATE");
    return text == nullptr ? 1.0 : atof(text);
  }();
  return rate;
}

std::int64_t WallOffset() {
  static const volatile std::int64_t* const offset = [] {
    const char* path = getenv("FAKE_CLOCK_WALL");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void* page =
        fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    return page == MAP_FAILED ? nullptr : static_cast<const volatile std::int64_t*>(page);
  }();
  return offset == nullptr ? 0 : *offset;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result != 0) return result;
  if (clock == CLOCK_BOOTTIME) {
    *time = Timespec(static_cast<std::int64_t>(static_cast<double>(Nanoseconds(*time)) * Rate()));
  } else if (clock == CLOCK_REALTIME) {
    *time = Timespec(Nanoseconds(*time) + WallOffset());
  }
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

int timerfd_settime(int fd, int flags, const itimerspec* when, itimerspec* before) noexcept {
  itimerspec true_when = *when;
  if ((flags & TFD_TIMER_ABSTIME) != 0 && Rate() != 1.0) {
    const auto ns =
        static_cast<std::int64_t>(static_cast<double>(Nanoseconds(when->it_value)) / Rate());
    true_when.it_value = Timespec(Nanoseconds(when->it_value) == 0 ? 0 : ns + 1);
  }
  return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, &true_when, before));
}

}  // extern "C"
