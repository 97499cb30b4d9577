#include "inquiry.h"

#include <utility>

#include "deadline.h"

namespace vigil::client {

Inquiry::Inquiry(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
                 std::function<void(bool welcome)> then)
    : core_(std::move(core)), link_(std::move(link)), then_(std::move(then)) {}

std::shared_ptr<Inquiry> Inquiry::Send(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
                                       Duration patience, std::function<void(bool welcome)> then) {
  std::shared_ptr<Inquiry> inquiry(new Inquiry(std::move(core), std::move(link), std::move(then)));
  inquiry->context_.set_deadline(FromNow(patience));
  inquiry->request_.set_service("vigil.v1.PodRegistryService");
  inquiry->self_ = inquiry;
  inquiry->link_->health->async()->Check(
      &inquiry->context_, &inquiry->request_, &inquiry->response_,
      [self = inquiry.get()](const grpc::Status& status) { self->Answered(status); });
  return inquiry;
}

void Inquiry::Answered(const grpc::Status& status) {
  using Response = grpc::health::v1::HealthCheckResponse;
  const bool welcome = status.ok() && response_.status() == Response::SERVING;
  core_->loop.Post([self = std::exchange(self_, nullptr), welcome] { self->then_(welcome); });
}

}  // namespace vigil::client
