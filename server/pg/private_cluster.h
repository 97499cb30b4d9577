// A throw-away Postgres on this machine: for development, tests, demonstrations and measurements.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil::pg {

class ClusterGuardian;
class PrivateCluster;

struct PrivateClusterOptions {
  // Off for tests, whose data nobody will miss; on wherever time is measured.
  bool fsync = true;
  // More settings of the server (name, value), after ours, so that they win.
  std::vector<std::pair<std::string, std::string>> settings;
  // How long a start may take, with the creation of the cluster.
  Duration start_deadline = std::chrono::seconds(60);
  // Start as a streaming standby of this one, which runs: a copy of its data, with its password.
  const PrivateCluster* standby_of = nullptr;
};

// A running cluster of its own: a new directory, a port on 127.0.0.1 that the system chose, a
// random password, and a Unix socket in the directory. The binaries are those of VIGIL_PG_BIN, else
// the newest below /usr/lib/postgresql, else those in PATH.
//
// Owns a guardian process, which owns the postmaster. When the object goes, or the process that
// made it (even by SIGKILL), the guardian stops the postmaster at once and removes the directory.
// The guardian is a session of its own, so that a ^C at the terminal does not reach it. As root,
// the server runs as `postgres` or else `nobody`, since Postgres refuses root.
//
// Thread-safe: no; one thread at a time.
class PrivateCluster {
 public:
  enum class Shutdown { kFast, kImmediate };

  // Blocks until it accepts connections.
  static Result<std::unique_ptr<PrivateCluster>> Start(const PrivateClusterOptions& options = {});

  ~PrivateCluster();
  PrivateCluster(const PrivateCluster&) = delete;
  PrivateCluster& operator=(const PrivateCluster&) = delete;

  // How to reach a database over TCP as the superuser. Carries the password: not for logs.
  std::string Conninfo(std::string_view database = "postgres") const;
  // The same over the Unix socket.
  std::string SocketConninfo(std::string_view database = "postgres") const;

  Result<void> CreateDatabase(const std::string& name,
                              const std::string& database_template = "template1");
  Result<void> DropDatabase(const std::string& name);

  // Stops the server in this way.
  Result<void> Stop(Shutdown how);
  // Starts it again on the same port after Stop; blocks until it accepts connections.
  Result<void> StartAgain();
  // Both, one after the other.
  Result<void> Restart(Shutdown how);

  // Makes a standby a primary, on a new timeline; blocks until it takes writes.
  Result<void> Promote();

  // SIGKILLs one backend, which makes the server reset itself: every session ends.
  Result<void> KillBackend(pid_t backend);

  int port() const { return port_; }
  pid_t postmaster() const { return postmaster_; }
  const std::string& directory() const { return directory_; }
  // Where the binaries are: for pg_basebackup and the like.
  const std::string& bin_directory() const { return bin_directory_; }

 private:
  PrivateCluster() = default;

  // Makes the data directory.
  Result<void> Create(const PrivateClusterOptions& options, Instant deadline);
  Result<void> Boot(Instant deadline);
  std::string LogTail() const;

  std::string directory_;
  std::string bin_directory_;
  std::string password_;
  int port_ = 0;
  pid_t postmaster_ = -1;
  Duration start_deadline_{};
  std::unique_ptr<ClusterGuardian> guardian_;
};

}  // namespace vigil::pg
