#include "app/file_watch.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace vigil {
namespace {

constexpr std::chrono::seconds kInterval(1);

}  // namespace

FileWatch::FileWatch(std::function<void()> look)
    : look_(std::move(look)), thread_([this] { LookRegularly(); }) {
  pthread_setname_np(thread_.native_handle(), "vigil-files");
}

FileWatch::~FileWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void FileWatch::LookRegularly() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kInterval, [this] { return stopping_; })) {
    lock.unlock();
    look_();
    lock.lock();
  }
}

}  // namespace vigil
