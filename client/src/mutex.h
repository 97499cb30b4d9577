// std::mutex as clang's thread-safety analysis wants to see it.
#pragma once

#include <condition_variable>
#include <mutex>

#include "vigil/boot_clock.h"

#if defined(__clang__)
#define VIGIL_ATTRIBUTE(x) __attribute__((x))
#else
#define VIGIL_ATTRIBUTE(x)
#endif

#define VIGIL_GUARDED_BY(mutex) VIGIL_ATTRIBUTE(guarded_by(mutex))
#define VIGIL_REQUIRES(mutex) VIGIL_ATTRIBUTE(requires_capability(mutex))

namespace vigil::client {

class VIGIL_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() VIGIL_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() VIGIL_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class VIGIL_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VIGIL_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() VIGIL_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Something that happens once, and that threads wait for.
class Signal {
 public:
  void Set() {
    {
      MutexLock lock(mutex_);
      set_ = true;
    }
    changed_.notify_all();
  }

  void Wait() {
    MutexLock lock(mutex_);
    while (!set_) changed_.wait(mutex_);
  }

  // Whether it happened within about `timeout`.
  bool WaitFor(Duration timeout) {
    MutexLock lock(mutex_);
    const Time deadline = BootClock::now() + timeout;
    while (!set_) {
      const Duration left = deadline - BootClock::now();
      if (left <= Duration::zero()) return false;
      changed_.wait_for(mutex_, left);
    }
    return true;
  }

 private:
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool set_ VIGIL_GUARDED_BY(mutex_) = false;
};

}  // namespace vigil::client
