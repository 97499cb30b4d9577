// What callbacks told a test, and a way to wait for it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "vigil/boot_clock.h"

namespace vigil::client {

// Thread safety: everything may be called from any thread.
template <class Entry>
class Journal {
 public:
  void Add(Entry entry) {
    {
      std::lock_guard lock(mutex_);
      entries_.push_back(std::move(entry));
    }
    changed_.notify_all();
  }

  // The first entry, from the one after the last that was awaited, for which the condition holds;
  // none after 10 s.
  std::optional<Entry> Await(const std::function<bool(const Entry&)>& wanted) {
    std::unique_lock lock(mutex_);
    std::optional<Entry> found;
    changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      while (!found && next_ < entries_.size()) {
        if (wanted(entries_[next_])) found = entries_[next_];
        ++next_;
      }
      return found.has_value();
    });
    return found;
  }

  std::vector<Entry> all() const {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

}  // namespace vigil::client
