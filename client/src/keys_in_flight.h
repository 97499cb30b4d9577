// Which keys have a function that runs, in this process.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

namespace vigil::client {

// One function a key, whichever runner runs it, and whatever incarnation owns the item by now: a
// function whose item was lost may still be at work.
//
// Thread safety: everything may be called from any thread.
class KeysInFlight {
 public:
  // That of the process.
  static KeysInFlight& All() {
    static KeysInFlight all;
    return all;
  }

  // Blocks while the key is in flight. False when the token fired first.
  bool Begin(const std::string& ns, const std::string& key, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto free = [&] { return !keys_.contains({ns, key}); };
    if (!ended_.wait(lock, stop, free)) return false;
    if (stop.stop_requested()) return false;
    keys_.insert({ns, key});
    return true;
  }

  void End(const std::string& ns, const std::string& key) {
    {
      std::lock_guard lock(mutex_);
      keys_.erase({ns, key});
    }
    ended_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::set<std::pair<std::string, std::string>> keys_;
};

}  // namespace vigil::client
