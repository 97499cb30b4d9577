#include "rpc/session_stream.h"

#include <memory>
#include <utility>

#include "core/errors.h"
#include "rpc/convert.h"
#include "rpc/status.h"
#include "rpc/stream_writer.h"

namespace vigil {
namespace {

// Answers that may wait for a pod that does not read. Heartbeats come one a second or so.
constexpr size_t kLongestQueue = 64;

// Reads one message at a time: the next when the loop has taken the one before, so that a flood
// waits in the peer's own flow control.
//
// It keeps itself alive until OnDone; the conversations hold it as long as they speak to it. After
// OnDone it ignores what is sent.
class SessionStream final : public PodStream,
                            public SessionReactor,
                            public std::enable_shared_from_this<SessionStream> {
 public:
  SessionStream(const RpcEnvironment& environment, grpc::CallbackServerContext* context)
      : env_(environment), context_(context), writer_(*this) {}

  void Begin() {
    self_ = shared_from_this();
    env_.scheduler.Post([self = self_] { self->env_.conversations.Opened(self); });
    StartRead(&request_);
  }

  // --- PodStream, on the loop's thread.

  void Send(HostMessage message) override {
    if (over_) return;
    if (!writer_.Write(ToProto(message), kLongestQueue)) context_->TryCancel();
  }

  void End(std::optional<Error> error) override {
    if (over_) return;
    over_ = true;
    writer_.Finish(error ? ToStatus(*error) : grpc::Status::OK);
  }

  // --- Reactor, on gRPC's threads.

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The verdict goes first; the end of the call costs the loop nothing.
      env_.scheduler.Post([self = self_] {
        self->over_ = true;
        self->env_.conversations.Ended(self);
      });
      writer_.Finish(grpc::Status::OK);
      return;
    }
    auto message = std::make_shared<Result<PodMessage>>(FromProto(request_));
    env_.scheduler.Post([self = self_, message] {
      if (*message) {
        self->env_.conversations.Received(self, **message);
      } else {
        self->env_.conversations.Refused(self, message->error());
      }
      if (!self->over_) self->StartRead(&self->request_);
    });
  }

  void OnWriteDone(bool ok) override { writer_.OnWriteDone(ok); }

  void OnDone() override {
    // Without a read under way, nothing else has told them.
    env_.scheduler.Post([self = std::move(self_)] {
      self->over_ = true;
      self->env_.conversations.Ended(self);
    });
  }

 private:
  const RpcEnvironment env_;
  grpc::CallbackServerContext* const context_;
  StreamWriter<SessionReactor, v1::SessionResponse> writer_;
  v1::SessionRequest request_;
  std::shared_ptr<SessionStream> self_;
  bool over_ = false;  // the loop's thread
};

}  // namespace

SessionReactor* BeginSessionStream(const RpcEnvironment& environment,
                                   grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<SessionStream>(environment, context);
  stream->Begin();
  return stream.get();
}

}  // namespace vigil
