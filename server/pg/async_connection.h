// A connection that lives on the event loop, for the many sessions that mostly wait.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "pg/connecting.h"
#include "pg/params.h"
#include "pg/rows.h"

namespace vigil::pg {

// Owns one session of Postgres, for one life: once lost, it stays lost.
//
// Everything happens on the loop's thread and nothing blocks it: names are looked up elsewhere.
// Callbacks run later than the call that they answer. Destroying the object, from a callback too,
// ends the session; nothing is called after that.
//
//  1. Every `then` is called exactly once: with the answer, with the error that Postgres sent, or,
//  when the connection is lost, with DATABASE_UNAVAILABLE.
//  2. Statements are sent one by one, in the order of the calls.
//  3. One that is not answered within the deadline, counted from the call, loses the connection.
//  4. `lost` is called once, after all of those that waited were told.
//  5. An answer that carries a warning is told as OUTCOME_UNKNOWN: its commit may be one that a
//  standby never had.
//  6. Once a later primary of the same database was seen by this process, an answer loses the
//  connection instead of being told.
class AsyncConnection {
 public:
  // Does nothing yet. The deadline is that of the opening and of each statement.
  AsyncConnection(EventLoop& loop, ConnectOptions options, Duration deadline);
  ~AsyncConnection();
  AsyncConnection(const AsyncConnection&) = delete;
  AsyncConnection& operator=(const AsyncConnection&) = delete;

  // Once. When it fails, `lost` is not called.
  void Open(std::function<void(Result<void>)> then);

  void Execute(const Statement& statement, Params params, std::function<void(Result<Rows>)> then);

  // Asks the server's process for an answer and nothing else: with a Sync of the protocol and no
  // statement, at a third of the price of the smallest one. It is answered in its turn by the
  // process that has served this session from the beginning, with all that the session holds, and
  // begins its idle_session_timeout anew. It does not prove that a statement could be executed: no
  // transaction is begun, and no lock of the server's memory is needed.
  void Ping(std::function<void(Result<void>)> then);

  // A notification arrived on a channel that the session listens to.
  void OnNotification(std::function<void(const std::string& payload)> callback);
  void OnLost(std::function<void(Error)> callback);

  // The server's process.
  int backend() const;

 private:
  class Session;
  std::shared_ptr<Session> session_;
};

}  // namespace vigil::pg
