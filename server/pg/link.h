// A connection that is opened when it is needed, or before, and again after a loss.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/connection.h"

namespace vigil::pg {

// Owns at most one Connection. One thread at a time; blocks it up to `deadline` per batch, with the
// connecting and every attempt. Sends a batch again only when nothing can have been changed by the
// attempt before, and at most three times.
class Link {
 public:
  Link(ConnectOptions options, Duration deadline);

  // Opens the connection unless it is open.
  Result<void> Connect();

  Result<std::vector<Rows>> Execute(const Batch& batch);

  // Of one statement that changes nothing.
  Result<Rows> Read(const Statement& statement, Params params);

  // The server's process of the connection that is open now; 0 without one.
  int backend() const { return connection_ == nullptr ? 0 : connection_->backend(); }

 private:
  Result<void> ConnectBefore(Instant deadline);

  const ConnectOptions options_;
  const Duration deadline_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace vigil::pg
