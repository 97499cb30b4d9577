// Looks at files once a second, whatever else goes on.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace vigil {

// Calls `look` once a second on a thread of its own, from its making until it is destroyed: while
// the database is awaited and while the coordinator drains, too, and where a file that does not
// answer holds up nothing else.
class FileWatch {
 public:
  explicit FileWatch(std::function<void()> look);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  void LookRegularly();

  const std::function<void()> look_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace vigil
