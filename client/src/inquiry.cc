#include "inquiry.h"

#include <utility>

#include "deadline.h"

namespace vigil::client {

Inquiry::Inquiry(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
                 std::function<void(bool serving)> then)
    : loop_(std::move(loop)), link_(std::move(link)), then_(std::move(then)) {}

std::shared_ptr<Inquiry> Inquiry::Send(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
                                       std::string_view service, Duration patience,
                                       std::function<void(bool serving)> then) {
  std::shared_ptr<Inquiry> inquiry(new Inquiry(std::move(loop), std::move(link), std::move(then)));
  inquiry->context_.set_deadline(FromNow(patience));
  inquiry->request_.set_service(std::string(service));
  inquiry->self_ = inquiry;
  inquiry->link_->health->async()->Check(
      &inquiry->context_, &inquiry->request_, &inquiry->response_,
      [self = inquiry.get()](const grpc::Status& status) { self->Answered(status); });
  return inquiry;
}

void Inquiry::Answered(const grpc::Status& status) {
  using Response = grpc::health::v1::HealthCheckResponse;
  const bool serving = status.ok() && response_.status() == Response::SERVING;
  loop_->Post([self = std::exchange(self_, nullptr), serving] { self->then_(serving); });
}

}  // namespace vigil::client
