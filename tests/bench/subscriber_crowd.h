// Subscribers of one server, in a process of their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/process.h"

namespace vigil::bench {

// One message with events, as all of a crowd had it.
struct Reception {
  std::string message;
  // When each subscriber had it, in the order of its subscribers.
  std::vector<Instant> at;
};

// Owns the process (subscribers.cc). One thread at a time.
class SubscriberCrowd {
 public:
  enum class Manner { kReading, kStalled };

  // All of them have had their first message when this returns.
  static Result<std::unique_ptr<SubscriberCrowd>> Join(const std::string& address,
                                                       const std::string& ns, int count,
                                                       Manner manner = Manner::kReading);

  // The next events, once everybody has had them.
  Result<Reception> AwaitEvents();

  // Lets stalled ones read on until their streams end. Returns the last message.
  Result<std::string> ReadToTheEnd();

  // Leaves everything alone for so long.
  Result<void> LeaveInPeace(Duration peace);

 private:
  explicit SubscriberCrowd(std::unique_ptr<Process> process) : process_(std::move(process)) {}

  const std::unique_ptr<Process> process_;
  int events_ = 0;
};

}  // namespace vigil::bench
