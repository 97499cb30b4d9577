// A blocking connection for the threads that run transactions.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pg/connecting.h"
#include "pg/params.h"
#include "pg/rows.h"
#include "pg/sqlstate.h"

namespace vigil::pg {

struct Step {
  const Statement* statement;
  Params params;
};

// Statements that go out in one flush and are one transaction (those of less than libpq's 8 KB in
// one piece, so that a process that is stopped cannot leave half of it, and its locks, behind):
// Postgres begins it with the first and commits it at the end of the batch, or rolls all of it back
// at the first error. Each statement sees what was committed before it began (READ COMMITTED), so
// that one may lock rows and the next decide on them.
struct Batch {
  std::vector<Step> steps;
  // Whether its commit matters. A read that got no answer has no unknown outcome.
  bool changes = true;
  // Sent once the batch is committed, as a transaction of its own. Nobody waits for it, and that it
  // fails or gets lost is no error.
  std::optional<Step> afterwards;
};

template <typename T>
using Attempt = tl::expected<T, Fault>;

// Owns one session of Postgres, for one life. Statements are prepared at their first use, without a
// round trip of their own.
//
// One thread at a time; blocks it, never past the deadline: then the socket is closed, since only
// that ends a commit which waits for a standby.
//
// What it says of a batch that changes something:
//  1. Success: the commit was acknowledged, without a warning.
//  2. Reason OUTCOME_UNKNOWN: the whole batch was handed to the system and no statement was
//     refused, but no clean acknowledgement came. A commit that carries a warning is none: a wait
//     for a standby that was cancelled looks like that.
//  3. Any other error: nothing was changed.
class Connection {
 public:
  static Attempt<std::unique_ptr<Connection>> Open(const ConnectOptions& options, Instant deadline);

  // The rows of each step, once the batch is committed. After a Fault that is `lost`, destroy the
  // connection.
  Attempt<std::vector<Rows>> Execute(const Batch& batch, Instant deadline);

  // The same for SQL of several statements without parameters, which may hold its own transaction
  // control. For migrations.
  Attempt<void> ExecuteScript(const std::string& sql, Instant deadline);

  // Whether the server has not closed the connection, as far as the socket knows now, and no later
  // primary of the same database was seen.
  bool LooksAlive();

  int backend() const;
  const SessionFacts& facts() const { return facts_; }

 private:
  // One answer that the server still owes.
  struct Expected {
    enum Kind { kPrepare, kRows, kCommit } kind;
    const Statement* statement = nullptr;
  };
  class Exchange;

  Connection(ConnectionHandle handle, std::shared_ptr<KnownServer> known);

  // False once a later primary was seen: what this one acknowledges is lost.
  bool IsCurrent() const;

  ConnectionHandle handle_;
  const std::shared_ptr<KnownServer> known_;
  SessionFacts facts_;
  KnownServer::Open open_;
  std::set<std::string> prepared_;
  // What comes after the last batch's commit.
  std::deque<Expected> owed_;
  // A warning arrived since the batch began.
  std::string warning_;
};

}  // namespace vigil::pg
