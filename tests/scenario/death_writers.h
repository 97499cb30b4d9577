// Pods that register and die, as fast as it goes, from several sides at once.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/vigil_cluster.h"

namespace vigil {

// Each thread registers a few pods of the profile FAST and ends them without a farewell, again and
// again, until it is stopped. Coordinators may come and go meanwhile.
//
// Thread safety: one caller at a time.
class DeathWriters {
 public:
  DeathWriters(VigilCluster& cluster, int writers);
  ~DeathWriters() { Stop(); }
  DeathWriters(const DeathWriters&) = delete;
  DeathWriters& operator=(const DeathWriters&) = delete;

  void Stop();
  // How many pods have been registered, and ended.
  size_t ended() const { return ended_; }

 private:
  void Write(const client::Client& client, int writer);

  std::atomic<bool> stopping_ = false;
  std::atomic<size_t> ended_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace vigil
