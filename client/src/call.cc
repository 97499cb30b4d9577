#include "call.h"

#include <thread>

#include "deadline.h"
#include "own_error.h"
#include "status.h"

namespace vigil::client {
namespace {

constexpr int kRounds = 2;

bool ChangedNothing(const Error& error) {
  return error.reason == Reason::kDatabaseUnavailable || error.reason == Reason::kDraining ||
         error.reason == Reason::kCoordinatorUntrusted || error.reason == Reason::kLimitReached;
}

Error LostAnswer(Error error) {
  error.reason = Reason::kOutcomeUnknown;
  error.hint = "It may have been done: list what this incarnation owns before you ask again.";
  return error;
}

// One attempt at one address. The error says in `sent` whether the coordinator may have seen it.
Result<void> Try(Core& core, std::size_t address, Duration limit, Repeat repeat, bool& sent,
                 const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt) {
  const auto link = core.channels.At(address);
  const gpr_timespec deadline = FromNow(limit);
  sent = false;
  if (repeat == Repeat::kForbidden && !link->channel->WaitForConnected(deadline)) {
    return tl::unexpected(
        MakeError(Code::kUnavailable, "cannot connect to " + link->address,
                  "Check that a coordinator listens at the address, or give other addresses."));
  }
  sent = true;
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
    Core& core, Repeat repeat,
    const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt) {
  const Time deadline = BootClock::now() + core.options.call_timeout;
  const std::size_t addresses = core.channels.size();
  const std::size_t first = core.channels.preferred();
  for (std::size_t i = 0;; ++i) {
    const Duration limit = std::min(core.options.attempt_timeout, deadline - BootClock::now());
    bool sent = false;
    auto done = Try(core, (first + i) % addresses, limit, repeat, sent, attempt);
    if (done || !IsRetryable(done.error())) return done;
    if (repeat == Repeat::kForbidden && sent && !ChangedNothing(done.error())) {
      return tl::unexpected(LostAnswer(std::move(done.error())));
    }
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
