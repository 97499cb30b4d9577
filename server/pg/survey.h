// What a server offers, and how soon each end of a session notices that the other one is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/connecting.h"

namespace vigil::pg {

// What watches over one end of a session. Zero: off, or not to be had.
struct Watching {
  // Silence of an idle connection ends it after this; unacknowledged data after the other.
  Duration keepalive{};
  Duration user_timeout{};
};

// The values that are in force in a session, read back after they were set.
struct Detection {
  // Whether there is a network between the two, and not a Unix socket.
  bool tcp = false;
  Watching server;
  Watching client;
  // The server looks this often whether its client is there, while a statement runs.
  Duration check_interval{};
  Duration idle_session_timeout{};
  // Settings that are not in force as they were asked for, as "name=value".
  std::vector<std::string> ignored;

  // How long after its last statement the server ends the session of a client that is frozen, or
  // whose network swallows everything. Nothing: never.
  std::optional<Duration> EndsFrozen() const;
  std::optional<Duration> EndsCut() const;
  // How long until the client gives a server up that answers nothing, when it waits for an answer
  // for at most `deadline`.
  Duration NoticedWithin(Duration deadline) const;
};

struct Capacity {
  int64_t max_connections = 0;
  // Of those, what others may not use; and what this role and database may use at most, if limited.
  int64_t reserved_connections = 0;
  std::optional<int64_t> connection_limit;
  int64_t max_locks_per_transaction = 0;
  int64_t max_prepared_transactions = 0;

  // What Postgres guarantees that its lock table holds, for all sessions together.
  int64_t LockTable() const {
    return max_locks_per_transaction * (max_connections + max_prepared_transactions);
  }
  // What this role can have when nobody else is connected.
  int64_t Connections() const;
};

struct ServerSurvey {
  Capacity capacity;
  Detection detection;
};

// Opens a session with these options and looks. Blocks, up to the deadline.
Result<ServerSurvey> Survey(const ConnectOptions& options, Duration deadline);

}  // namespace vigil::pg
