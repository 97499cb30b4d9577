// How soon the heartbeats of living pods are answered while other things happen.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"

namespace vigil::bench {

class RawPod;

// Living pods of this process on a connection of their own, one of which always has a heartbeat
// under way, but for a short rest after each answer.
//
// Owns the pods and a thread.
class Pulse {
 public:
  struct Measured {
    // The longest that an answer took.
    Duration worst{};
    int heartbeats = 0;
  };

  static Result<std::unique_ptr<Pulse>> Begin(const std::string& address, const std::string& ns);

  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  // From here on it counts.
  void Count();

  // Since then, with the one that is under way. An error when a pod was refused a lease. Once.
  Result<Measured> End();

 private:
  Pulse() = default;

  void Beat();

  std::unique_ptr<v1::PodRegistryService::Stub> registry_;
  std::vector<std::unique_ptr<RawPod>> pods_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Measured measured_;     // guarded by mutex_
  bool refused_ = false;  // guarded by mutex_
  bool over_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace vigil::bench
