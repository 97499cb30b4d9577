// How every connection of ours is opened: the keywords of its conninfo and the settings of its
// session. Shared by the blocking and the asynchronous connection.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/host_list.h"
#include "pg/known_server.h"
#include "pg/names.h"
#include "pg/params.h"
#include "pg/rows.h"

struct pg_conn;

namespace vigil::pg {

struct ConnectOptions {
  // Keywords or a URI; may name several hosts. Its own keywords win over our keepalive settings.
  std::string conninfo;
  std::string application_name;
  // Set in the session before anything else is done in it (name, value).
  std::vector<std::pair<std::string, std::string>> settings;
  // What the process knows of the server, from its other connections. Null for an errand that
  // stands alone.
  std::shared_ptr<KnownServer> known = nullptr;
  // Where the names of hosts are looked up, shared by those whose look-ups shall be.
  Names names = Names();
  // Off for whoever wants to find out what kind of pooler there is (pg/pooler.h).
  bool refuses_poolers = true;
};

// What an open session was found to be.
struct SessionFacts {
  ServerIdentity server;
  // As the server says.
  int64_t backend = 0;
  // What the server answered when it was told the settings: those in force (name, value).
  std::vector<std::pair<std::string, std::string>> settings;
  // What our own socket is set to, as the system says; zero when it is off.
  bool tcp = false;
  Duration client_keepalive{};
  Duration client_user_timeout{};
};

// The settings of a session that holds no state and serves operations which end within `deadline`:
// Postgres gives up no later than the caller does.
std::vector<std::pair<std::string, std::string>> SettingsForRequests(Duration deadline);

// The settings by which Postgres notices that the other end of a session is gone. Part of every
// session.
std::vector<std::pair<std::string, std::string>> SettingsForDetection();

// "1500ms"
std::string Milliseconds(Duration duration);

struct Finish {
  void operator()(pg_conn* connection) const;
};
using ConnectionHandle = std::unique_ptr<pg_conn, Finish>;

// Error DATABASE_UNAVAILABLE: this is no connection string, or one of which libpq would take a part
// for what it is not: an `@` or `/` of a password that is not percent-encoded makes the rest of it
// a host or a port, which libpq's own messages quote. This message quotes nothing.
Result<void> CheckConninfo(const std::string& conninfo);

// Whether the text holds a password, or might, were it written as it was meant.
bool MayHoldPassword(const std::string& conninfo);

// Starts a non-blocking connection attempt to one of the hosts that takes writes; with no hosts, to
// those of the string. Nothing in it blocks but the look-up of a host's name without its address,
// as libpq does it: so these are hosts that Names has found, and there is no name in the string
// (those of PGHOST and of a service file libpq looks up by itself). A host that drops packets is
// given up for the next one after 2.5 s, by tcp_user_timeout.
Result<ConnectionHandle> StartConnecting(const ConnectOptions& options, HostList hosts);

// The same to the hosts of the string, whose names are looked up first; blocks for that, up to the
// deadline.
Result<ConnectionHandle> FindAndStartConnecting(const ConnectOptions& options, Instant deadline);

// Why a connection could not be made: with what to do, as far as the server gave its SQLSTATE.
Error ConnectError(const pg_conn* connection);

// Of a connection that was just made: refuses a server that is too old to be set up.
Result<void> CheckVersion(const pg_conn* connection);

// Puts the settings into force and returns what CheckSession wants to see.
extern const Statement kSetUpSession;
Params SetUpParams(const ConnectOptions& options);

// Refuses a server in recovery, one that is not the one we know, and a pooler between us and it.
// Each of these is DATABASE_UNAVAILABLE, with what to do about it.
Result<SessionFacts> CheckSession(const pg_conn* connection, const Rows& answer,
                                  const ConnectOptions& options);

}  // namespace vigil::pg
