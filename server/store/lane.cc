#include "store/lane.h"

#include <pthread.h>

namespace vigil {

ThreadLane::ThreadLane(Database& database, Options options) : options_(std::move(options)) {
  for (int i = 0; i < options_.threads; ++i) {
    std::shared_ptr<Store> store = database.OpenStore(options_.deadline);
    threads_.emplace_back([this, store] { Serve(*store); });
    // As tools show it; so long at most.
    const std::string name = (options_.name + "-lane").substr(0, 15);
    pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
}

ThreadLane::~ThreadLane() {
  Stop();
  for (auto& thread : threads_) thread.join();
}

void ThreadLane::Stop() {
  // What is dropped may hold anything, and is destroyed without the lock.
  std::deque<std::function<void(Store&)>> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  changed_.notify_all();
}

bool ThreadLane::Enqueue(std::function<void(Store&)> work) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue) return false;
    queue_.push_back(std::move(work));
    waiting_ = queue_.size();
  }
  changed_.notify_one();
  return true;
}

void ThreadLane::Serve(Store& store) {
  store.Connect();
  while (true) {
    std::function<void(Store&)> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
      waiting_ = queue_.size();
    }
    ++under_way_;
    work(store);
    --under_way_;
  }
}

}  // namespace vigil
