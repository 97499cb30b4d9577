#include "pg/link.h"

#include <utility>

namespace vigil::pg {
namespace {

constexpr int kAttempts = 3;

}  // namespace

Link::Link(ConnectOptions options, Duration deadline)
    : options_(std::move(options)), deadline_(deadline) {}

Result<void> Link::Connect() { return ConnectBefore(SystemClock().Now() + deadline_); }

Result<void> Link::ConnectBefore(Instant deadline) {
  if (connection_ != nullptr && connection_->LooksAlive()) return {};
  connection_.reset();
  auto opened = Connection::Open(options_, deadline);
  if (!opened) return Fail(std::move(opened.error().error));
  connection_ = std::move(*opened);
  return {};
}

Result<std::vector<Rows>> Link::Execute(const Batch& batch) {
  const Instant deadline = SystemClock().Now() + deadline_;
  for (int attempt = 1;; ++attempt) {
    if (auto connected = ConnectBefore(deadline); !connected) {
      return Fail(std::move(connected.error()));
    }
    auto outcome = connection_->Execute(batch, deadline);
    if (outcome) return std::move(*outcome);
    if (outcome.error().lost) connection_.reset();
    if (!outcome.error().retry || attempt == kAttempts)
      return Fail(std::move(outcome.error().error));
  }
}

Result<Rows> Link::Read(const Statement& statement, Params params) {
  auto rows = Execute({.steps = {{&statement, std::move(params)}}, .changes = false});
  if (!rows) return Fail(std::move(rows.error()));
  return std::move(rows->front());
}

}  // namespace vigil::pg
