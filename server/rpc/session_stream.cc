#include "rpc/session_stream.h"

#include <memory>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "core/session_token.h"
#include "rpc/caller.h"
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
      : env_(environment), context_(context), writer_(*this, environment.measures, Rpc::kSession) {}

  void Begin() {
    self_ = shared_from_this();
    if (!env_.access.insecure()) {
      caller_ = CallerOf(*context_, env_.clock);
      auto opening =
          env_.access.AskAnywhere(caller_, Rpc::kSession).and_then([&](const auto& name) {
            return env_.access.Take(ShareOf::kOpenings, name);
          });
      if (!opening) {
        writer_.Finish(ToStatus(opening.error()));
        return;
      }
      opening_ = std::move(*opening);
    }
    env_.scheduler.Dispatch([self = self_] { self->env_.conversations.Opened(self); });
    StartRead(&request_);
  }

  // --- PodStream, on the loop's thread.

  void Send(HostMessage message) override {
    if (over_) return;
    if (auto refusal = permit_ ? permit_->Refusal() : std::nullopt) {
      env_.scheduler.Post([self = shared_from_this(), refusal = std::move(*refusal)] {
        self->env_.conversations.Refused(self, refusal);
      });
      return;
    }
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
      env_.scheduler.Dispatch([self = self_] {
        self->over_ = true;
        self->env_.conversations.Ended(self);
      });
      writer_.Finish(grpc::Status::OK);
      return;
    }
    opening_.reset();
    auto message = std::make_shared<Result<PodMessage>>(FromProto(request_));
    env_.scheduler.Dispatch([self = self_, message] {
      std::optional<Error> refusal;
      if (!*message) refusal = std::move(message->error());
      if (*message && !self->env_.access.insecure()) refusal = self->Admit(**message);
      if (refusal) {
        self->env_.conversations.Refused(self, std::move(*refusal));
      } else {
        self->env_.conversations.Received(self, **message);
      }
      if (!self->over_) self->StartRead(&self->request_);
    });
  }

  void OnWriteDone(bool ok) override { writer_.OnWriteDone(ok); }

  void OnDone() override {
    // Without a read under way, nothing else has told them.
    env_.scheduler.Dispatch([self = std::move(self_)] {
      self->over_ = true;
      self->env_.conversations.Ended(self);
    });
  }

 private:
  // Why the pod may not say this, or not go on. What it brings along is bound to its identity. The
  // loop's thread.
  std::optional<Error> Admit(PodMessage& message) {
    auto* registration = std::get_if<RegisterMessage>(&message);
    auto* resume = std::get_if<ResumeMessage>(&message);
    if (!permit_ && (registration || resume)) {
      permit_.emplace(env_.access, std::move(caller_), Rpc::kSession,
                      registration ? registration->ns : resume->ns);
    }
    if (!permit_) return std::nullopt;  // it is out of turn, and hears that
    if (auto refusal = permit_->Refusal()) return refusal;
    const Permission& permission = permit_->permission();
    if (!session_) {
      auto share = env_.access.Take(ShareOf::kSessions, permission.name());
      if (!share) return std::move(share.error());
      session_ = std::move(*share);
    }
    if (resume && !permission.Owns(BindingOf(resume->session_token))) {
      return IdentityMismatch(resume->incarnation);
    }
    if (resume) resume->may_claim = permission.claims;
    if (!registration) return std::nullopt;
    const std::string& binding = permission.bindings.front();
    if (!env_.registrations.Take(binding, env_.clock.Now())) {
      return LimitReached("registration-rate", "this identity registers too many pods at once");
    }
    registration->binding = binding;
    registration->may_claim = permission.claims;
    registration->registration_id = Bound(std::move(registration->registration_id), binding);
    if (!registration->supersede_key.empty()) {
      registration->supersede_key = Bound(std::move(registration->supersede_key), binding);
    }
    return std::nullopt;
  }

  const RpcEnvironment env_;
  grpc::CallbackServerContext* const context_;
  StreamWriter<SessionReactor, v1::SessionResponse> writer_;
  v1::SessionRequest request_;
  std::shared_ptr<SessionStream> self_;
  Caller caller_;
  Share opening_;                 // until its first message
  std::optional<Permit> permit_;  // the loop's thread, as what follows
  std::optional<Share> session_;
  bool over_ = false;
};

}  // namespace

SessionReactor* BeginSessionStream(const RpcEnvironment& environment,
                                   grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<SessionStream>(environment, context);
  stream->Begin();
  return stream.get();
}

}  // namespace vigil
