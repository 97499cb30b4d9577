// A server of another kind, privately started, with a survivor and victims that are clients of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contender.h"

namespace vigil::bench {

// A directory of its own below the system's temporary one, which goes with it, and ports that
// nobody had a moment ago.
class Ground {
 public:
  static Result<std::unique_ptr<Ground>> Find();

  ~Ground();
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  const std::string& directory() const { return directory_; }
  // Where its clients reach the server.
  int port() const { return port_; }
  // For what else it wants to listen at.
  int other_port() const { return other_port_; }

  // A file in the directory, with this text; its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  explicit Ground(std::string directory);

  const std::string directory_;
  const int port_;
  const int other_port_;
};

struct PeerSetting {
  // The command of the server, which runs until it is killed, and listens at 127.0.0.1 only.
  std::function<std::vector<std::string>(const Ground&)> server;
  // A program of tests/bench/peers, and the arguments of its clients after the role and the port.
  // Those of a victim end with the number of its item. The survivor prints "ready" once it waits
  // for deaths, a victim when it owns the item, and then what KillAndAwaitClaim reads.
  std::string client;
  std::vector<std::string> arguments;
  // The longest that a claim may take.
  Duration limit{};
};

// Owns the server and the survivor; they are killed with it.
class PeerContender : public Contender {
 public:
  PeerContender(Traits traits, PeerSetting setting);

  Result<void> Start() override;
  Result<Takeover> Run(Duration peace) override;

 private:
  Result<std::unique_ptr<Process>> RunClient(const std::string& role,
                                             const std::vector<std::string>& more) const;

  const PeerSetting setting_;
  std::unique_ptr<Ground> ground_;
  std::unique_ptr<Process> server_;
  std::unique_ptr<Process> survivor_;
  int round_ = 0;
};

}  // namespace vigil::bench
