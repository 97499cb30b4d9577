#include "call.h"

#include <thread>

#include "deadline.h"
#include "status.h"

namespace vigil::client {
namespace {

constexpr int kRounds = 2;

// One attempt at one address.
Result<void> Try(Core& core, std::size_t address, Duration limit,
                 const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt) {
  const auto link = core.channels.At(address);
  grpc::ClientContext context;
  context.set_deadline(FromNow(limit));
  const grpc::Status status = attempt(*link, context);
  if (status.ok()) {
    core.channels.Prefer(address);
    return {};
  }
  Error error = FromStatus(status);
  if (error.reason == Reason::kNone) {
    error.message = link->address + ": " + error.message;
    if (error.code == Code::kDeadlineExceeded) core.channels.Distrust(link);
  }
  return tl::unexpected(std::move(error));
}

}  // namespace

Result<void> TryEverywhere(
    Core& core, const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt) {
  const Time deadline = BootClock::now() + core.options.call_timeout;
  const std::size_t addresses = core.channels.size();
  const std::size_t first = core.channels.preferred();
  for (std::size_t i = 0;; ++i) {
    const Duration limit = std::min(core.options.attempt_timeout, deadline - BootClock::now());
    auto done = Try(core, (first + i) % addresses, limit, attempt);
    if (done || !IsRetryable(done.error())) return done;
    Duration rest{};
    if ((i + 1) % addresses == 0) {
      rest = Backoff(std::chrono::milliseconds(50), std::chrono::seconds(1),
                     static_cast<unsigned>(i / addresses), core.random);
    }
    if (i + 1 >= kRounds * addresses || BootClock::now() + rest >= deadline) return done;
    std::this_thread::sleep_for(rest);
  }
}

}  // namespace vigil::client
