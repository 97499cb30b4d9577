// Pods that take over what the dead have left.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/vigil_cluster.h"
#include "vigil/work.h"

namespace vigil::bench {

// Pods of this process, on the client library, each with a connection of its own: woken by the
// deaths of others, each claims orphans by batches, small ones first, until there are none left.
class Survivors {
 public:
  // They follow the deaths of the namespace when this returns.
  static Result<std::unique_ptr<Survivors>> Join(const VigilCluster& cluster, const std::string& ns,
                                                 int count);

  ~Survivors();
  Survivors(const Survivors&) = delete;
  Survivors& operator=(const Survivors&) = delete;

  // When they had all of so many items: the claim of the last of them was answered. An error when
  // an item came twice.
  Result<Instant> AwaitRecovered(size_t items);

 private:
  class Survivor;

  Survivors();

  void Take(const std::vector<client::WorkItem>& items);
  // Why there will be no result.
  void Fall(std::string trouble);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> keys_;  // guarded by mutex_
  Instant last_;                // guarded by mutex_: when the last of them was taken
  std::string trouble_;         // guarded by mutex_
  std::vector<std::unique_ptr<Survivor>> survivors_;
};

}  // namespace vigil::bench
