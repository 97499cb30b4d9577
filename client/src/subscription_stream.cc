#include "subscription_stream.h"

#include <utility>

namespace vigil::client {

SubscriptionStream::SubscriptionStream(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
                                       v1::SubscribeRequest request, Handlers handlers)
    : loop_(std::move(loop)),
      link_(std::move(link)),
      request_(std::move(request)),
      handlers_(std::move(handlers)) {}

std::shared_ptr<SubscriptionStream> SubscriptionStream::Open(std::shared_ptr<Loop> loop,
                                                             std::shared_ptr<Link> link,
                                                             v1::SubscribeRequest request,
                                                             Handlers handlers) {
  std::shared_ptr<SubscriptionStream> stream(new SubscriptionStream(
      std::move(loop), std::move(link), std::move(request), std::move(handlers)));
  stream->self_ = stream;
  stream->link_->credentials->AddTo(stream->context_);
  stream->link_->events->async()->Subscribe(&stream->context_, &stream->request_, stream.get());
  stream->AddHold();  // reads begin on the loop, outside gRPC's callbacks
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

void SubscriptionStream::Cancel() { context_.TryCancel(); }

void SubscriptionStream::OnReadDone(bool ok) {
  loop_->Post([self = self_, ok] {
    if (!ok) return self->RemoveHold();
    self->handlers_.on_message(self->incoming_);
    self->StartRead(&self->incoming_);
  });
}

void SubscriptionStream::OnDone(const grpc::Status& status) {
  loop_->Post([self = std::exchange(self_, nullptr), status] {
    self->handlers_.on_end(status);
    self->handlers_ = {};
  });
}

}  // namespace vigil::client
