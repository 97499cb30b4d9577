// Hears the wake-ups of the log through LISTEN.
#pragma once

#include <functional>
#include <memory>
#include <random>

#include "pg/async_connection.h"
#include "store/database.h"

namespace vigil {

// Owns one connection at a time. Reconnects with a growing, jittered pause, which starts again from
// the shortest only after a connection that lasted.
class PostgresLogListener final : public LogListener {
 public:
  PostgresLogListener(EventLoop& loop, pg::ConnectOptions options, Duration deadline,
                      WakeUp wake_up);

 private:
  void Connect();
  void Listen();
  void AskRegularly();
  void Reconnect();

  EventLoop& loop_;
  const pg::ConnectOptions options_;
  const Duration deadline_;
  const WakeUp wake_up_;
  const SystemClock clock_;
  std::minstd_rand random_{std::random_device()()};
  Duration pause_;
  Instant listening_since_{};
  std::unique_ptr<pg::AsyncConnection> connection_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace vigil
