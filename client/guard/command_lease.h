// How long a command may run, by the standing of its pod.
#pragma once

#include "vigil/pod_session.h"

namespace vigil::client {

inline Duration StopMargin(const Standing& standing) {
  return standing.lease_until - standing.alive_until;
}

// A moment before the lease ends: the kernel needs one to end a group.
inline Time KillAt(const Standing& standing) {
  return standing.lease_until - StopMargin(standing) / 5;
}

}  // namespace vigil::client
