#include "session_stream.h"

#include <utility>

namespace vigil::client {

SessionStream::SessionStream(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
                             Handlers handlers)
    : core_(std::move(core)), link_(std::move(link)), handlers_(std::move(handlers)) {}

std::shared_ptr<SessionStream> SessionStream::Open(std::shared_ptr<Core> core,
                                                   std::shared_ptr<Link> link,
                                                   v1::SessionRequest first, Handlers handlers) {
  std::shared_ptr<SessionStream> stream(
      new SessionStream(std::move(core), std::move(link), std::move(handlers)));
  stream->self_ = stream;
  stream->link_->credentials->AddTo(stream->context_);
  stream->link_->pods->async()->Session(&stream->context_, stream.get());
  stream->AddHold();  // reads and writes begin on the loop, outside gRPC's callbacks
  stream->StartRead(&stream->incoming_);
  stream->Send(std::move(first));
  stream->StartCall();
  return stream;
}

void SessionStream::Send(v1::SessionRequest message) {
  if (closed_ || last_queued_) return;
  outgoing_.push_back(std::move(message));
  if (outgoing_.size() == 1) WriteNext();
}

void SessionStream::SendLast(v1::SessionRequest message, Duration linger) {
  if (closed_ || last_queued_) return;
  Send(std::move(message));
  last_queued_ = true;
  linger_ = core_->loop.PostAt(BootClock::now() + linger, [self = self_] { self->Cancel(); });
}

void SessionStream::Cancel() { context_.TryCancel(); }

void SessionStream::WriteNext() { StartWrite(&outgoing_.front()); }

void SessionStream::OnReadDone(bool ok) {
  core_->loop.Post([self = self_, ok] {
    if (ok) {
      self->handlers_.on_message(self->incoming_);
      self->StartRead(&self->incoming_);
      return;
    }
    self->closed_ = true;
    self->RemoveHold();
  });
}

void SessionStream::OnWriteDone(bool ok) {
  core_->loop.Post([self = self_, ok] {
    self->outgoing_.pop_front();
    if (!ok || self->closed_ || self->half_closed_) return;
    if (!self->outgoing_.empty()) return self->WriteNext();
    if (self->last_queued_) {
      self->half_closed_ = true;
      self->StartWritesDone();
    }
  });
}

void SessionStream::OnDone(const grpc::Status& status) {
  core_->loop.Post([self = std::exchange(self_, nullptr), status] {
    self->core_->loop.Cancel(self->linger_);
    self->handlers_.on_end(status);
    self->handlers_ = {};
  });
}

}  // namespace vigil::client
