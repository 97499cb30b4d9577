// Messages from any thread to one that waits on file descriptors.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>

namespace vigil::client {

// Readable, as poll sees it, while there is something to take.
//
// Thread safety: everything may be called from any thread. It does not bound its queue: whoever
// posts, posts what a person reads line by line.
template <class Message>
class Inbox {
 public:
  Inbox() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Inbox() { close(wake_); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  void Post(Message message) {
    {
      std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = write(wake_, &one, sizeof one);
  }

  std::deque<Message> Take() {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t size = read(wake_, &ignored, sizeof ignored);
    std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  int fd() const { return wake_; }

 private:
  const int wake_;
  std::mutex mutex_;
  std::deque<Message> messages_;
};

}  // namespace vigil::client
