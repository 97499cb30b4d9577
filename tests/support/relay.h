// A TCP relay on this machine that loses what a test tells it to lose.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil {

// Listens on a port of 127.0.0.1 and passes on to another one, byte for byte.
//
// Owns a thread. Thread safety: everything may be called from any thread.
class Relay {
 public:
  // How a connection is lost: both ends see a reset, or nothing is passed on any more, either way.
  enum class Loss { kReset, kSilence };

  static Result<std::unique_ptr<Relay>> Start(int target_port);

  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Resets all connections, and each new one at once.
  void Isolate();
  // New connections are passed on again.
  void Restore();
  // Passes on so many more bytes of answers; the connection that brings the next one is lost in
  // this way, and all others stay. Once.
  void LoseAnswersAfter(size_t bytes, Loss loss);
  // Waits until that has happened.
  bool AwaitLoss(Duration within);

 private:
  struct Flow;
  struct Link;

  Relay(int listener, int port, int target_port);

  void Serve();
  void Accept();
  // False when the connection is over.
  bool Pass(Link& link, Flow& flow, bool answers);
  void Wake() const;

  const int listener_;
  const int port_;
  const int target_port_;
  const int wake_;                            // eventfd
  std::vector<std::unique_ptr<Link>> links_;  // the thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool stopping_ = false;
  bool isolated_ = false;
  struct Plan {
    size_t bytes;
    Loss loss;
  };
  std::optional<Plan> plan_;

  std::thread thread_;
};

}  // namespace vigil
