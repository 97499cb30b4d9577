// A TCP relay on this machine that loses, delays and cuts what a test tells it to.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil {

// Listens on a port of 127.0.0.1 and passes on to another one, byte for byte. With several targets
// it is a balancer: each connection leads to the next of them in turn, unless that refuses it.
//
// Owns a thread. Thread safety: everything may be called from any thread.
class Relay {
 public:
  // How a connection is lost: both ends see a reset, or nothing is passed on any more, either way.
  enum class Loss { kReset, kSilence };

  static Result<std::unique_ptr<Relay>> Start(int target_port) {
    return Start(std::vector<int>{target_port});
  }
  // REQUIRES: at least one.
  static Result<std::unique_ptr<Relay>> Start(std::vector<int> target_ports);

  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // The connections that it passes on now, and all that it ever did.
  size_t connections() const;
  size_t connections_ever() const;

  // Resets all connections, and each new one at once.
  void Isolate();
  // New connections are passed on again, and answers as they come.
  void Restore();
  // Reads no more than so many bytes of the answers in each connection: what the server writes then
  // waits in its kernel, and in the end in itself.
  void Stall(size_t after = 0);
  // Passes answers on in pieces of so many bytes, with a rest after each.
  void Slice(size_t bytes, Duration rest);
  // Tells the clients of all connections that no answer will come any more, and goes on passing on
  // what they say; the server hears nothing of it.
  void HalfClose();
  // Passes on so many more bytes of answers; the connection that brings the next one is lost in
  // this way, and all others stay. Once.
  void LoseAnswersAfter(size_t bytes, Loss loss);
  // Waits until that has happened.
  bool AwaitLoss(Duration within);

 private:
  struct Flow;
  struct Link;

  Relay(int listener, int port, std::vector<int> target_ports);

  struct Slices {
    size_t bytes;
    Duration rest;
  };

  void Serve();
  // The milliseconds until the next slice is due; -1 when none waits.
  int UntilNextSlice() const;
  void Accept();
  // A connection to a target, or -1.
  int Connect();
  // False when the connection is over.
  bool Pass(Link& link, Flow& flow, bool answers);
  bool Send(Flow& flow, bool sliced);
  void Wake() const;
  // Changes what is guarded by mutex_, and has the thread look at it.
  void Order(const std::function<void()>& order);

  const int listener_;
  const int port_;
  const std::vector<int> target_ports_;
  const int wake_;  // eventfd
  // The thread's.
  size_t next_target_ = 0;
  std::vector<std::unique_ptr<Link>> links_;
  std::optional<size_t> stalls_after_;
  std::optional<Slices> slicing_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  size_t connections_ = 0;
  size_t connections_ever_ = 0;
  bool stopping_ = false;
  bool isolated_ = false;
  std::optional<size_t> stalled_;
  bool half_close_ = false;
  std::optional<Slices> slices_;
  struct Plan {
    size_t bytes;
    Loss loss;
  };
  std::optional<Plan> plan_;

  std::thread thread_;
};

}  // namespace vigil
