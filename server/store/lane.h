// Lanes: where blocking transactions run, off the loop, each kind of work in a lane of its own so
// that none starves another.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "core/errors.h"
#include "store/database.h"

namespace vigil {

class Lane {
 public:
  virtual ~Lane() = default;

  // Runs `work` on one of the lane's stores, off the loop. Any thread. False when the lane is full:
  // `work` will not run.   (P11)
  [[nodiscard]] virtual bool Enqueue(std::function<void(Store&)> work) = 0;

  virtual const std::string& name() const = 0;
};

// A lane of threads, each with a connection of its own, and one bounded queue. Each thread connects
// when it begins: what is seldom asked for and must not wait, a verdict above all, would else need
// a new connection in the moment when Postgres may have none left. The destructor lets what runs
// end and drops what waits.
class ThreadLane final : public Lane {
 public:
  struct Options {
    std::string name;
    int threads = 1;
    size_t queue = 1024;
    Duration deadline = std::chrono::seconds(5);
  };

  ThreadLane(Database& database, Options options);
  ~ThreadLane() override;

  // Drops what waits and takes no more; what runs goes on. Any thread. Lanes that end together are
  // stopped all at once before the first is destroyed: the others would go on with what waits.
  void Stop();

  bool Enqueue(std::function<void(Store&)> work) override;
  const std::string& name() const override { return options_.name; }

  // How much waits, and how many threads are at work: as it was a moment ago. Any thread, without
  // waiting for those that use the lane.
  size_t waiting() const { return waiting_; }
  size_t under_way() const { return under_way_; }
  size_t limit() const { return options_.queue; }

 private:
  void Serve(Store& store);

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(Store&)>> queue_;  // guarded by mutex_
  bool stopping_ = false;                          // guarded by mutex_
  std::atomic<size_t> waiting_ = 0;
  std::atomic<size_t> under_way_ = 0;
  std::vector<std::thread> threads_;
};

// Runs `work` in the lane and `then` with its outcome on the scheduler's thread, later, exactly
// once (unless the lane is destroyed before).
template <typename T>
void Ask(Lane& lane, Scheduler& scheduler, std::function<Result<T>(Store&)> work, Then<T> then) {
  const bool taken = lane.Enqueue([&scheduler, work = std::move(work), then](Store& store) {
    auto outcome = std::make_shared<Result<T>>(work(store));
    scheduler.Post([then, outcome] { then(std::move(*outcome)); });
  });
  if (taken) return;
  scheduler.Post([then, name = lane.name()] {
    then(Fail(LimitReached("queue", "the queue of the " + name + " lane is full")));
  });
}

}  // namespace vigil
