#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "rpc/caller.h"
#include "rpc/convert.h"
#include "rpc/services.h"
#include "rpc/status.h"
#include "rpc/stream_writer.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"

namespace vigil {
namespace {

using SubscribeReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// The subscription writes one message at a time; only its end may come right behind one.
constexpr size_t kLongestQueue = 2;

grpc::ByteBuffer Encode(const v1::SubscribeResponse& response) {
  const grpc::Slice bytes(response.SerializeAsString());
  return {&bytes, 1};
}

// Shared by all who get the same: a copy shares the bytes.
grpc::ByteBuffer EncodePods(const SnapshotPart& part) { return Encode(ToProto(part)); }
grpc::ByteBuffer EncodeEvents(const Delivery& delivery) { return Encode(ToProto(delivery)); }

grpc::ByteBuffer Encode(const SubscriberMessage& message) {
  if (const auto* events = std::get_if<DeliveredEvents>(&message)) {
    return (*events)->As<grpc::ByteBuffer>(EncodeEvents);
  }
  if (const auto* pods = std::get_if<DeliveredPods>(&message)) {
    return (*pods)->forms.Of<grpc::ByteBuffer>(**pods, EncodePods);
  }
  return Encode(ToProto(message));
}

Result<SubscriptionRequest> Decode(const grpc::ByteBuffer& bytes) {
  grpc::Slice whole;
  v1::SubscribeRequest request;
  if (!bytes.TrySingleSlice(&whole).ok() && !bytes.DumpToSingleSlice(&whole).ok()) whole = {};
  if (!request.ParseFromArray(whole.begin(), static_cast<int>(whole.size()))) {
    return Fail(InvalidField("request", "must be a SubscribeRequest"));
  }
  return FromProto(request);
}

// Keeps itself alive until OnDone; the subscriptions hold it as long as they speak to it.
class SubscribeStream final : public SubscriberStream,
                              public SubscribeReactor,
                              public std::enable_shared_from_this<SubscribeStream> {
 public:
  SubscribeStream(const RpcEnvironment& environment, grpc::CallbackServerContext* context)
      : env_(environment),
        context_(context),
        writer_(*this, environment.measures, Rpc::kSubscribe) {}

  void Begin(Result<SubscriptionRequest> request) {
    self_ = shared_from_this();
    if (auto refusal = Admit(request)) {
      writer_.Finish(ToStatus(*refusal));
      return;
    }
    env_.log_scheduler.Post([self = self_, request = std::move(*request)]() mutable {
      self->env_.subscriptions.Opened(self, std::move(request));
    });
  }

  // --- SubscriberStream, on the log's thread.

  void Write(const SubscriberMessage& message) override {
    if (over_) return;
    if (!writer_.Write(Encode(message), kLongestQueue)) context_->TryCancel();
  }

  void End(std::optional<Error> error) override {
    if (std::exchange(over_, true)) return;
    writer_.Finish(error ? ToStatus(*error) : grpc::Status::OK);
  }

  void Cancel() override {
    {
      // Once OnDone has returned, there is no context any more.
      std::lock_guard lock(done_mutex_);
      if (!done_) context_->TryCancel();
    }
    End(std::nullopt);
  }

  // --- Reactor, on gRPC's threads.

  void OnWriteDone(bool ok) override {
    writer_.OnWriteDone(ok);
    if (!ok) return;
    env_.log_scheduler.Post([self = self_] { self->env_.subscriptions.Written(self); });
  }

  void OnCancel() override {
    env_.log_scheduler.Post([self = self_] {
      self->env_.subscriptions.Ended(self);
      self->End(std::nullopt);
    });
  }

  void OnDone() override {
    {
      std::lock_guard lock(done_mutex_);
      done_ = true;
    }
    env_.log_scheduler.Post([self = std::move(self_)] {
      self->over_ = true;
      self->env_.subscriptions.Ended(self);
    });
  }

 private:
  // Why this may not be followed, if it may not.
  std::optional<Error> Admit(Result<SubscriptionRequest>& request) const {
    const Access& access = env_.access;
    if (access.insecure()) return request ? std::nullopt : std::optional(request.error());
    const Caller caller = CallerOf(*context_, env_.clock);
    if (auto known = access.AskAnywhere(caller, Rpc::kSubscribe); !known) {
      return std::move(known.error());
    }
    if (!request) return request.error();
    auto permit = std::make_shared<Permit>(access, caller, Rpc::kSubscribe, request->ns);
    if (auto refusal = permit->Refusal()) return refusal;
    auto share = access.Take(ShareOf::kSubscriptions, permit->permission().name());
    if (!share) return std::move(share.error());
    request->refusal = [permit, share = std::move(*share)] { return permit->Refusal(); };
    return std::nullopt;
  }

  const RpcEnvironment env_;
  grpc::CallbackServerContext* const context_;
  StreamWriter<SubscribeReactor, grpc::ByteBuffer> writer_;
  std::shared_ptr<SubscribeStream> self_;
  bool over_ = false;  // the log's thread
  // gRPC may call OnDone from inside TryCancel.
  std::recursive_mutex done_mutex_;
  bool done_ = false;  // guarded by done_mutex_
};

// Raw, so that a message that many get is encoded once.
class PodEventService final
    : public v1::PodEventService::WithRawCallbackMethod_Subscribe<v1::PodEventService::Service> {
 public:
  explicit PodEventService(const RpcEnvironment& environment) : env_(environment) {}

  SubscribeReactor* Subscribe(grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request) override {
    auto stream = std::make_shared<SubscribeStream>(env_, context);
    stream->Begin(Decode(*request));
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
