// One Subscribe stream from one coordinator.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>

#include "core.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"

namespace vigil::client {

// Owns the call and everything that gRPC points to; keeps itself alive until gRPC is done with it.
//
// Thread: all methods, and both handlers, on the given loop. gRPC's own callbacks only post there.
// The next message is asked for when the handler of the one before has returned, so that a slow
// reader is slow on the wire, too.
class SubscriptionStream final : public grpc::ClientReadReactor<v1::SubscribeResponse> {
 public:
  struct Handlers {
    std::function<void(const v1::SubscribeResponse&)> on_message;
    // Exactly once, and last. OK when the coordinator ended the stream without an error.
    std::function<void(const grpc::Status&)> on_end;
  };

  static std::shared_ptr<SubscriptionStream> Open(std::shared_ptr<Loop> loop,
                                                  std::shared_ptr<Link> link,
                                                  v1::SubscribeRequest request, Handlers handlers);

  void Cancel();
  const std::shared_ptr<Link>& link() const { return link_; }

 private:
  SubscriptionStream(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
                     v1::SubscribeRequest request, Handlers handlers);

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Link> link_;
  const v1::SubscribeRequest request_;
  Handlers handlers_;
  std::shared_ptr<SubscriptionStream> self_;

  grpc::ClientContext context_;
  v1::SubscribeResponse incoming_;
};

}  // namespace vigil::client
