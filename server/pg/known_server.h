// Which server this process works on, as all of its connections together have seen it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "pg/host_list.h"

struct pg_conn;

namespace vigil::pg {

// A database cluster, and which of its histories: a standby that is promoted begins a new timeline,
// with a higher number, while its old primary may go on taking writes that nobody else will see.
struct ServerIdentity {
  std::string system;
  uint32_t timeline = 0;
};

// Where a server is reached.
struct ServerAddress {
  // As the connection string has it.
  std::string host;
  // One of those behind the name, which may lead to several servers; none for a socket.
  std::string address;
  std::string port;
  auto operator<=>(const ServerAddress&) const = default;
};

// Of a connection, which may be under way.
ServerAddress AddressOf(const pg_conn* connection);

// Shared by the connections of one process to one database cluster; thread-safe.
//
//  1. Once a timeline was admitted, no lower one is, and connections that are open on a lower one
//  count no more.
//  2. Once a cluster was admitted, no other one is.
//
// It remembers nothing beyond the process: an old primary does not know what became of it, and what
// is kept in its tables is as old as it is.
class KnownServer {
 public:
  // Error DATABASE_UNAVAILABLE, with what to do.
  Result<void> Admit(const ServerIdentity& server);

  // Whether no higher timeline was seen.
  bool IsCurrent(uint32_t timeline) const { return timeline >= timeline_.load(); }

  // The server was refused, closed a connection before it was set up or did not answer in time; or
  // it was found good. One that does not answer may be an old primary whose commits wait for a
  // standby that has left it. libpq itself goes on to the next host only from one that takes no
  // connection.
  void Note(const ServerAddress& address, bool good);

  // Those that were not good come last, the latest such last of all, so that the next attempt
  // begins with another one.
  void Reorder(HostList& hosts) const;

  // How many connections are open: set up, and not yet found to be lost.
  size_t open() const { return open_; }

  // Lives as long as one of them.
  class Open {
   public:
    Open() = default;
    explicit Open(std::shared_ptr<KnownServer> server) : server_(std::move(server)) {
      if (server_) ++server_->open_;
    }
    ~Open() {
      if (server_) --server_->open_;
    }
    Open(Open&& other) noexcept = default;
    Open& operator=(Open&& other) noexcept {
      std::swap(server_, other.server_);
      return *this;
    }

   private:
    std::shared_ptr<KnownServer> server_;
  };

 private:
  mutable std::mutex mutex_;
  std::string system_;                         // guarded by mutex_
  std::map<ServerAddress, uint64_t> refused_;  // by when, in refusals; guarded by mutex_
  uint64_t refusals_ = 0;                      // guarded by mutex_
  std::atomic<uint32_t> timeline_ = 0;
  std::atomic<size_t> open_ = 0;
};

}  // namespace vigil::pg
