// The raw fan-out, an event at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "support/process.h"

namespace vigil::bench {

// Owns a database on the cluster and a server (raw_fanout.cc). One thread at a time.
class RawChain {
 public:
  // Serves this message.
  static Result<std::unique_ptr<RawChain>> Start(pg::PrivateCluster& postgres,
                                                 const std::string& message);

  ~RawChain();
  RawChain(const RawChain&) = delete;
  RawChain& operator=(const RawChain&) = delete;

  // A row is committed, and then the message written to every subscriber.
  void Publish();

  // When the server knew of each commit.
  Result<std::vector<Instant>> Acknowledged();

  std::string Conninfo() const { return postgres_.Conninfo(database_); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  pid_t pid() const { return server_->pid(); }

 private:
  explicit RawChain(pg::PrivateCluster& postgres) : postgres_(postgres) {}

  pg::PrivateCluster& postgres_;
  std::string database_;
  std::unique_ptr<Process> server_;
  int port_ = 0;
};

}  // namespace vigil::bench
