#include <memory>
#include <utility>

#include "rpc/convert.h"
#include "rpc/services.h"
#include "rpc/status.h"
#include "rpc/stream_writer.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"

namespace vigil {
namespace {

using SubscribeReactor = grpc::ServerWriteReactor<v1::SubscribeResponse>;

// The subscription writes one message at a time; only its end may come right behind one.
constexpr size_t kLongestQueue = 2;

// Keeps itself alive until OnDone; the subscriptions hold it as long as they speak to it.
class SubscribeStream final : public SubscriberStream,
                              public SubscribeReactor,
                              public std::enable_shared_from_this<SubscribeStream> {
 public:
  SubscribeStream(const RpcEnvironment& environment, grpc::CallbackServerContext* context)
      : env_(environment), context_(context), writer_(*this) {}

  void Begin(std::string ns, Result<SubscriptionStart> start) {
    self_ = shared_from_this();
    if (!start) {
      writer_.Finish(ToStatus(start.error()));
      return;
    }
    env_.scheduler.Post([self = self_, ns = std::move(ns), start = std::move(*start)] {
      self->env_.subscriptions.Opened(self, ns, start);
    });
  }

  // --- SubscriberStream, on the loop's thread.

  void Write(const SubscriberMessage& message) override {
    if (over_) return;
    if (!writer_.Write(ToProto(message), kLongestQueue)) context_->TryCancel();
  }

  void End(std::optional<Error> error) override {
    if (std::exchange(over_, true)) return;
    writer_.Finish(error ? ToStatus(*error) : grpc::Status::OK);
  }

  void Cancel() override {
    if (!done_) context_->TryCancel();
    End(std::nullopt);
  }

  // --- Reactor, on gRPC's threads.

  void OnWriteDone(bool ok) override {
    writer_.OnWriteDone(ok);
    if (!ok) return;
    env_.scheduler.Post([self = self_] { self->env_.subscriptions.Written(self); });
  }

  void OnCancel() override {
    env_.scheduler.Post([self = self_] {
      self->env_.subscriptions.Ended(self);
      self->End(std::nullopt);
    });
  }

  void OnDone() override {
    env_.scheduler.Post([self = std::move(self_)] {
      self->over_ = true;
      self->done_ = true;
      self->env_.subscriptions.Ended(self);
    });
  }

 private:
  const RpcEnvironment env_;
  grpc::CallbackServerContext* const context_;
  StreamWriter<SubscribeReactor, v1::SubscribeResponse> writer_;
  std::shared_ptr<SubscribeStream> self_;
  bool over_ = false;  // the loop's thread
  bool done_ = false;  // the loop's thread
};

class PodEventService final : public v1::PodEventService::CallbackService {
 public:
  explicit PodEventService(const RpcEnvironment& environment) : env_(environment) {}

  SubscribeReactor* Subscribe(grpc::CallbackServerContext* context,
                              const v1::SubscribeRequest* request) override {
    auto stream = std::make_shared<SubscribeStream>(env_, context);
    stream->Begin(request->namespace_(), FromProto(*request));
    return stream.get();
  }

 private:
  const RpcEnvironment env_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePodEventService(const RpcEnvironment& environment) {
  return std::make_unique<PodEventService>(environment);
}

}  // namespace vigil
