// What a pod and its host say to each other, and the port through which they do.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "core/timing.h"
#include "core/types.h"

namespace vigil {

// --- From the pod. The edge has checked the fields' forms.

struct RegisterMessage {
  std::string ns;
  std::string name;
  std::string registration_id;
  Profile profile = Profile::kStrict;
  // The coordinator's default when absent.
  std::optional<Duration> lease;
  std::map<std::string, std::string> labels;
  Duration wait_for_name{};
  // Empty when the name may run twice.
  std::string supersede_key;
  // What the session is bound to: only the same may resume it. Anybody may when it is empty.
  std::string binding = {};
  // Whether that identity may claim work, and so be given some.
  bool may_claim = true;
};

struct ResumeMessage {
  std::string ns;
  Incarnation incarnation;
  std::string session_token;
  // As in RegisterMessage.
  bool may_claim = true;
};

struct HeartbeatMessage {
  uint64_t number = 0;
};

struct LeaveMessage {};
struct DetachMessage {};

using PodMessage =
    std::variant<RegisterMessage, ResumeMessage, HeartbeatMessage, LeaveMessage, DetachMessage>;

// --- To the pod.

struct WaitingAnswer {
  Incarnation incumbent;
};

struct RegisteredAnswer {
  Pod pod;
  std::string session_token;
  LeaseTerms terms;
  std::vector<WorkItem> predecessors_work;
};

struct ResumedAnswer {
  Pod pod;
  LeaseTerms terms;
};

struct HeartbeatAnswer {
  uint64_t number = 0;
  bool lease_granted = false;
  bool link_degraded = false;
};

struct LeftAnswer {};
struct DrainingNotice {};

using HostMessage = std::variant<WaitingAnswer, RegisteredAnswer, ResumedAnswer, HeartbeatAnswer,
                                 LeftAnswer, DrainingNotice>;

// A pod's stream as its host sees it. Called on the loop's thread; never blocks and never calls
// back from inside a call.
class PodStream {
 public:
  virtual ~PodStream() = default;

  // After the end, or when the peer is gone, it does nothing.
  virtual void Send(HostMessage message) = 0;

  // Ends the stream after what was sent; without an error, with success.
  virtual void End(std::optional<Error> error) = 0;
};

}  // namespace vigil
