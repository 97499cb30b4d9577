// The state engine on Postgres.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "pg/async_connection.h"
#include "store/database.h"

namespace vigil {

struct PostgresOptions {
  // Keywords or a URI, as libpq takes them. Several hosts are tried in order, and a server that
  // does not take writes is passed over. May carry a password: never logged.
  std::string conninfo;
  // Shown in pg_stat_activity, followed by what the connection is for.
  std::string application_name = "vigil";
  // Postgres itself ends a liveness session that has been idle for this long.
  Duration idle_session_timeout = std::chrono::seconds(3);
  // An operation of a liveness session that takes longer ends it; opening one takes at most as
  // long.
  Duration operation_deadline = std::chrono::seconds(5);
  // Where the names of hosts are looked up.
  pg::Names names = pg::Names();
};

// Needs PostgreSQL 14 or later, migrated to PostgresSchema(), and a direct connection (no pooler).
// Every connection is to the same database cluster and never to an old primary (pg/known_server.h).
// Does not connect by itself. Liveness sessions live on `loop`, listeners on `log_loop`, which may
// be the same. Outlives what it opened; the loops outlive it. Destroyed while they do not turn.
class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(EventLoop& loop, EventLoop& log_loop, PostgresOptions options);
  ~PostgresDatabase() override;

  // How a liveness session is opened, for whoever wants to look at one beforehand.
  pg::ConnectOptions LivenessOptions() const;

  // How whoever runs an errand beside it comes to the same server.
  pg::ConnectOptions ErrandOptions() const;

  std::unique_ptr<Store> OpenStore(Duration deadline) override;
  void OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) override;
  std::unique_ptr<LogListener> Listen(WakeUp wake_up) override;
  size_t OpenConnections() const override { return known_->open(); }

 private:
  pg::ConnectOptions OptionsFor(const char* purpose,
                                std::vector<std::pair<std::string, std::string>> settings) const;

  EventLoop& loop_;
  EventLoop& log_loop_;
  const PostgresOptions options_;
  const std::shared_ptr<pg::KnownServer> known_ = std::make_shared<pg::KnownServer>();
  // Liveness sessions on their way.
  std::list<std::unique_ptr<pg::AsyncConnection>> opening_;
};

}  // namespace vigil
