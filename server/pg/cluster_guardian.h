// The process between a private cluster and its owner: it lives exactly as long as the owner does.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "pg/private_cluster.h"

namespace vigil::pg {

// Whom a child process runs as.
struct Account {
  uid_t user;
  gid_t group;
};

// Runs a program to its end, its output appended to the log; kills it when the deadline passes. The
// exit code, or -1.
int RunProgram(const std::vector<std::string>& arguments, const std::optional<Account>& account,
               const std::string& log, Instant deadline);

// Talks to its process over a socket pair. When that closes, which the kernel does for a killed
// owner, the process stops the postmaster and removes the directory. It is forked from a process
// that may have threads, so between fork and exec it only makes calls that are safe after a fork.
class ClusterGuardian {
 public:
  // `postmaster` is the command line.
  static Result<std::unique_ptr<ClusterGuardian>> Start(const std::vector<std::string>& postmaster,
                                                        const std::optional<Account>& account,
                                                        const std::string& directory,
                                                        const std::string& log);
  // Waits until everything is gone.
  ~ClusterGuardian();
  ClusterGuardian(const ClusterGuardian&) = delete;
  ClusterGuardian& operator=(const ClusterGuardian&) = delete;

  // Starts the postmaster; its process, or -1.
  pid_t Launch();
  bool IsRunning();
  // Signals the postmaster and waits for its end; kills it when it takes too long: 60 s when the
  // shutdown is fast, 10 s when it is immediate.
  void Stop(PrivateCluster::Shutdown how);

 private:
  ClusterGuardian(pid_t process, int socket) : process_(process), socket_(socket) {}

  int Ask(char question);

  const pid_t process_;
  const int socket_;
};

}  // namespace vigil::pg
