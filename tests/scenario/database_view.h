// What stands in the database itself, seen past the coordinators.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "history/validators.h"
#include "pg/connection.h"

namespace vigil {

// A session of the test's own, opened anew when it was lost. Thread safety: one caller at a time.
class DatabaseView {
 public:
  explicit DatabaseView(std::string conninfo) : conninfo_(std::move(conninfo)) {}

  struct Locks {
    int64_t living = 0;        // pods that are ALIVE or SUSPECT
    int64_t alive = 0;         // those that are ALIVE
    int64_t held = 0;          // living pods whose session's lock is held
    int64_t sessions = 0;      // locks of sessions that are held, current or not
    int64_t coordinators = 0;  // ALIVE coordinators whose lock is held
    // Everybody is there, suspected of nothing, with one session and its lock held.
    bool Settled(int pods, int coordinators_held) const {
      return living == pods && alive == pods && held == pods && sessions == pods &&
             coordinators == coordinators_held;
    }
  };
  Result<Locks> ReadLocks();
  // Asks again and again, since no event tells that a lock is held. False when it was not settled
  // within this time.
  bool AwaitSettled(int pods, int coordinators, Duration within);

  // The backends of every session that a coordinator has in this database.
  Result<std::vector<pid_t>> Backends();
  Result<void> Terminate(pid_t backend);
  // Waits until a standby has all that was committed here.
  bool AwaitReplicated(Duration within);
  // Asks again and again whether a session waits for a lock, until one does.
  bool AwaitWaiting(Duration within);

  // The log of a namespace, as it stands there now.
  Result<history::Reference> ReadLog(const std::string& ns);

  // All work items of a namespace by key, without times.
  Result<std::vector<WorkItem>> ReadWork(const std::string& ns);

  // Asks again and again what second its wall clock shows, until that matches.
  bool AwaitWallClock(const std::function<bool(int64_t second)>& matches, Duration within);

  // SQL of several statements, which may begin a transaction and leave it open.
  Result<void> Execute(const std::string& sql);

 private:
  Result<void> Open();
  Result<pg::Rows> Read(const pg::Statement& statement, pg::Params params = {});

  const std::string conninfo_;
  std::unique_ptr<pg::Connection> connection_;
};

}  // namespace vigil
