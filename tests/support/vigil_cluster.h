// A whole Vigil made of real processes: coordinators on a database of their own, and pods.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "support/machine.h"
#include "support/process.h"
#include "support/reporting_process.h"
#include "vigil/client.h"

namespace vigil {

// A `vigil run`.
struct RunOptions {
  std::string ns = "default";
  std::string pod;
  std::string work;
  std::string profile = "fast";
  // As on the command line; the server's default when empty.
  std::string lease;
  std::string payload;
  std::vector<std::string> command;
  // Which coordinator the pod begins with; a random one when negative.
  int first = -1;
  std::map<std::string, std::string> environment;
  std::function<void(const Process::Line&)> on_line;
  Machine machine;
};

// Coordinators are known by their place, from 0 on, which keeps its ports over a restart.
//
// Owns the database, and the processes of the coordinators, which are killed with it; the pods
// belong to whoever ran them. Thread-safe: no, one thread at a time.
class VigilCluster {
 public:
  // How callers are known.
  struct Security {
    // Of every `vigild serve`, in the place of --insecure.
    std::vector<std::string> settings;
    // Whom the clients of Connect are.
    client::Tls caller;
  };

  struct Options {
    int coordinators = 3;
    // Further flags of every `vigild serve`.
    std::vector<std::string> settings;
    // Nobody is asked who calls when absent.
    std::optional<Security> security = {};
    // How the coordinator at this place reaches the database of this name; directly when absent.
    std::function<std::string(const std::string& database, int place)> conninfo;
    // Where the coordinator at this place runs; beside us when absent.
    std::function<Machine(int place)> machine;
    // How long one coordinator may take until it serves.
    Duration start_limit = std::chrono::seconds(30);
  };

  // Creates a database, migrates it with `vigild migrate up`, and returns when every coordinator
  // serves.
  static Result<std::unique_ptr<VigilCluster>> Start(pg::PrivateCluster& postgres, Options options);

  ~VigilCluster();
  VigilCluster(const VigilCluster&) = delete;
  VigilCluster& operator=(const VigilCluster&) = delete;

  int size() const { return static_cast<int>(places_.size()); }
  Process& coordinator(int place) { return *places_.at(static_cast<size_t>(place)).process; }
  std::string address(int place) const { return places_.at(static_cast<size_t>(place)).address; }
  int port(int place) const;
  std::string http_address(int place) const {
    return places_.at(static_cast<size_t>(place)).http_address;
  }
  // All of them, beginning with this one.
  std::vector<std::string> Addresses(int first = 0) const;
  // The number that the coordinator has in the database.
  client::CoordinatorNumber number(int place) const {
    return places_.at(static_cast<size_t>(place)).number;
  }
  // Which place the number belongs to now, or -1.
  int PlaceOf(client::CoordinatorNumber number) const;

  // How to reach the database itself.
  std::string Conninfo() const { return postgres_.Conninfo(database_); }

  // What is started from here on, in the place of the `vigild` of the build.
  void Use(std::string vigild) { vigild_ = std::move(vigild); }
  // Starts a coordinator anew whose process has ended; returns when it serves.
  Result<void> StartAgain(int place);

  // A client that begins with this coordinator.
  Result<client::Client> Connect(int first = 0) const;
  // A client that knows this one only.
  Result<client::Client> ConnectOnly(int place) const;

  Result<std::unique_ptr<ReportingProcess>> Run(RunOptions options) const;

  // What the coordinators have logged, for the message of a test that failed.
  std::string Logs() const;

 private:
  struct Place {
    Machine machine;
    std::string address;
    std::string http_address;
    client::CoordinatorNumber number;
    std::unique_ptr<Process> process;
  };

  VigilCluster(pg::PrivateCluster& postgres, Options options, std::string vigild,
               std::string vigil);

  Result<void> CreateDatabase();
  Result<void> Migrate() const;
  Result<void> Spawn(Place& place);
  Result<void> AwaitService(Place& place) const;
  std::optional<client::Tls> Caller() const;

  pg::PrivateCluster& postgres_;
  const Options options_;
  std::string vigild_;
  const std::string vigil_;
  std::string database_;
  std::vector<Place> places_;
};

}  // namespace vigil
