// A machine whose clocks go wrong, for the program that preloads this (LD_PRELOAD).
//
//   FAKE_CLOCK_RATE   how fast CLOCK_BOOTTIME goes, beside the true one: 1.005
//   FAKE_CLOCK_WALL   a file of eight bytes: the nanoseconds that are added to the wall clock, as
//                     of each reading, so that a test can set the clock while the program runs
//   FAKE_CLOCK_SLEPT  another one: for how long the machine has slept, which CLOCK_BOOTTIME and the
//                     wall clock count, and CLOCK_MONOTONIC does not
//
// Timers on CLOCK_BOOTTIME with an absolute time go by the same clock, and a lock that is waited
// for until a moment of the wall clock (Abseil's) by that one, also when it is set during the wait.
// The faketime of Debian 12 cannot stand in for it: it lets such timers run out at once.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdarg>
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

// The number in the file that the variable names.
const volatile std::int64_t* Map(const char* variable) {
  static const std::int64_t none = 0;
  const char* path = getenv(variable);
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* page =
      fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  return page == MAP_FAILED ? &none : static_cast<const volatile std::int64_t*>(page);
}

std::int64_t Slept() {
  static const volatile std::int64_t* const slept = Map("FAKE_CLOCK_SLEPT");
  return *slept;
}

std::int64_t WallOffset() {
  static const volatile std::int64_t* const set = Map("FAKE_CLOCK_WALL");
  return *set + Slept();
}

template <typename... Arguments>
long Call(long number, Arguments... arguments) {
  using Syscall = long (*)(long, ...);
  // Not a local static that is made at its first use: threads that wait for one another there call
  // syscall, and so this, without end.
  static constinit std::atomic<Syscall> known = nullptr;
  Syscall call = known;
  if (call == nullptr) known = call = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  return call(number, arguments...);
}

// A futex that is waited for until a moment of the wall clock, in pieces, since that may be set.
long WaitUntil(long word, long operation, long value, std::int64_t until, long word2, long bits) {
  constexpr std::int64_t kPiece = kSecond / 50;
  for (;;) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t left = until - Nanoseconds(now);
    const std::int64_t truly = Nanoseconds(now) - WallOffset();
    const timespec piece = Timespec(truly + std::clamp<std::int64_t>(left, 0, kPiece));
    const long result = Call(SYS_futex, word, operation, value, &piece, word2, bits);
    if (result == 0 || errno != ETIMEDOUT || left <= kPiece) return result;
  }
}

}  // namespace

extern "C" {

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) != 0 && a[3] != 0) {
    const auto* until = std::bit_cast<const timespec*>(a[3]);
    return WaitUntil(a[0], a[1], a[2], Nanoseconds(*until), a[4], a[5]);
  }
  return Call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(Call(SYS_clock_gettime, clock, time));
  if (result != 0) return result;
  if (clock == CLOCK_BOOTTIME) {
    const double ns = static_cast<double>(Nanoseconds(*time)) * Rate();
    *time = Timespec(static_cast<std::int64_t>(ns) + Slept());
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
  const std::int64_t at = Nanoseconds(when->it_value);
  if ((flags & TFD_TIMER_ABSTIME) != 0 && at != 0 && (Rate() != 1.0 || Slept() != 0)) {
    const double ns = static_cast<double>(at - Slept()) / Rate();
    true_when.it_value = Timespec(std::max<std::int64_t>(static_cast<std::int64_t>(ns) + 1, 1));
  }
  return static_cast<int>(Call(SYS_timerfd_settime, fd, flags, &true_when, before));
}

}  // extern "C"
