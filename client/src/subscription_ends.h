// Why a subscription's stream ended, as the application is told.
#pragma once

#include <grpcpp/support/status.h>

#include <optional>

#include "vigil/error.h"
#include "vigil/types.h"
#include "vigil/v1/pod_event_service.pb.h"

namespace vigil::client {

// What is known of a stream that has ended.
struct StreamEnd {
  // What the coordinator said last.
  std::optional<v1::End> said;
  // It was dropped because nothing came for too long.
  bool silent = false;
  // It was dropped because the coordinator does not read the log, and another one does.
  bool unread = false;
  grpc::Status status;
};

// Retryable unless the subscription is over. `after` is where it stood.
Error WhyEnded(const StreamEnd& end, const std::optional<Cursor>& after);

}  // namespace vigil::client
