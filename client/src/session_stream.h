// One Session stream to one coordinator: gRPC's callbacks on one side, the loop of the core on the
// other.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <deque>
#include <functional>
#include <memory>

#include "core.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"

namespace vigil::client {

// Owns the call and everything that gRPC points to; keeps itself alive until gRPC is done with it.
//
// Thread: all methods, and both handlers, on the core's loop. gRPC's own callbacks only post there.
//
// Invariants:
//   1. One write outstanding, one read outstanding, and the next read begins after the message
//   before was handled.
//   2. `on_end` comes exactly once and is last.
class SessionStream final
    : public grpc::ClientBidiReactor<v1::SessionRequest, v1::SessionResponse> {
 public:
  struct Handlers {
    std::function<void(const v1::SessionResponse&)> on_message;
    // OK when the coordinator ended the stream without an error.
    std::function<void(const grpc::Status&)> on_end;
  };

  static std::shared_ptr<SessionStream> Open(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
                                             v1::SessionRequest first, Handlers handlers);

  void Send(v1::SessionRequest message);
  // The last message. The stream ends when the coordinator has read it, and is cancelled when that
  // takes longer than `linger`: a cancel overtakes what was not read yet.
  void SendLast(v1::SessionRequest message, Duration linger);
  void Cancel();
  const std::shared_ptr<Link>& link() const { return link_; }

 private:
  SessionStream(std::shared_ptr<Core> core, std::shared_ptr<Link> link, Handlers handlers);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  void WriteNext();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Link> link_;
  Handlers handlers_;
  std::shared_ptr<SessionStream> self_;

  grpc::ClientContext context_;
  v1::SessionResponse incoming_;
  std::deque<v1::SessionRequest> outgoing_;
  bool last_queued_ = false;
  bool half_closed_ = false;
  // Reading is over, so that nothing may be started any more.
  bool closed_ = false;
  TimerId linger_;
};

}  // namespace vigil::client
