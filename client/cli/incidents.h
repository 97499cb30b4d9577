// What a command that follows the log survives, told on stderr.
#pragma once

#include <optional>

#include "guard/progress.h"
#include "vigil/subscription.h"

namespace vigil::client {

// Says each incident once: when it begins, and when it is over.
//
// Thread: none of its own; called by the callbacks of one subscription.
class Incidents {
 public:
  explicit Incidents(const Progress& progress) : progress_(progress) {}

  void OnInterrupted(const Error& why);
  void OnResumed(const Resumption& resumption);
  void OnPosition(const Position& position);
  void OnEvents() { LogIsRead(); }

 private:
  void LogIsRead();

  const Progress& progress_;
  bool interrupted_ = false;
  // Since when the log is not being read, when that has been said.
  std::optional<Time> unread_since_;
};

}  // namespace vigil::client
