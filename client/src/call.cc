#include "call.h"

#include <thread>

#include "deadline.h"
#include "own_error.h"
#include "status.h"

namespace vigil::client {
namespace {

constexpr int kRounds = 2;

// One attempt at one address. `patient`: it is given all the time that an answer may take.
Result<void> Try(Core& core, std::size_t address, Duration limit, bool patient,
                 const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt) {
  const auto link = core.channels.At(address);
  grpc::ClientContext context;
  context.set_deadline(FromNow(limit));
  link->credentials->AddTo(context);
  const grpc::Status status = attempt(*link, context);
  if (status.ok()) {
    core.channels.Prefer(address);
    return {};
  }
  Error error = FromStatus(status);
  if (error.reason == Reason::kNone) {
    error.message = link->address + ": " + error.message;
    if (patient && error.code == Code::kDeadlineExceeded) core.channels.Distrust(link);
  }
  return tl::unexpected(std::move(error));
}

Error NotAlive() {
  Error error = MakeError(Code::kCancelled, "the pod's lease is over: nothing was sent",
                          "Stop the work; whoever has the item now goes on with it.");
  error.reason = Reason::kIncarnationEnded;
  return error;
}

}  // namespace

Result<void> TryEverywhere(Core& core,
                           const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt,
                           const AliveUntil& alive_until) {
  const Time deadline = BootClock::now() + core.options.call_timeout;
  const std::size_t addresses = core.channels.size();
  const std::size_t first = core.channels.preferred();
  Result<void> done = tl::unexpected(NotAlive());
  // What the end of a lease that was renewed meanwhile has cut short.
  std::size_t cut = 0;
  for (std::size_t i = 0;; ++i) {
    const std::optional<Time> alive = alive_until ? alive_until() : deadline;
    if (!alive) return done;
    const Time now = BootClock::now();
    const Duration patience = std::min(core.options.attempt_timeout, deadline - now);
    const Duration limit = std::min(patience, *alive - now);
    const bool patient = limit == patience;
    done = Try(core, (first + i) % addresses, limit, patient, attempt);
    if (done || !IsRetryable(done.error())) return done;
    if (!patient && done.error().code == Code::kDeadlineExceeded) ++cut;
    Duration rest{};
    if ((i + 1) % addresses == 0) {
      rest = Backoff(std::chrono::milliseconds(50), std::chrono::seconds(1),
                     static_cast<unsigned>(i / addresses), core.random);
    }
    if (i + 1 - cut >= kRounds * addresses || BootClock::now() + rest >= deadline) return done;
    std::this_thread::sleep_for(rest);
  }
}

}  // namespace vigil::client
