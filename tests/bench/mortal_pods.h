// Pods that are there to die.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace vigil::bench {

class RawPod;

// FAST pods of this process, on raw streams of one connection, so that one of them dies when its
// stream is cancelled: strong evidence, without a process that the kernel must take down first.
//
// Owns the streams, and a thread that sends their heartbeats. One thread at a time.
class MortalPods {
 public:
  // By default the longest that there is, so that heartbeats seldom disturb the measurement.
  static constexpr auto kLongestLease = std::chrono::seconds(60);

  // So many of them, registered and confirmed when this returns.
  static Result<std::unique_ptr<MortalPods>> Register(const std::string& address,
                                                      const std::string& ns,
                                                      const std::string& names, int count,
                                                      std::chrono::seconds lease = kLongestLease);

  ~MortalPods();
  MortalPods(const MortalPods&) = delete;
  MortalPods& operator=(const MortalPods&) = delete;

  // The incarnations of those that live, in the order of their registrations.
  std::vector<uint64_t> Living();

  // Cancels the stream of one that lives, and returns its incarnation. REQUIRES: one lives.
  uint64_t KillNext();

 private:
  explicit MortalPods(std::chrono::seconds lease);

  void KeepAlive();

  struct Connection;
  const std::chrono::milliseconds heartbeat_interval_;
  const std::unique_ptr<Connection> connection_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<RawPod>> living_;  // guarded by mutex_
  std::vector<std::unique_ptr<RawPod>> dead_;    // guarded by mutex_
  bool over_ = false;                            // guarded by mutex_
  std::thread heartbeats_;
};

}  // namespace vigil::bench
