// What a connection string leads to, host by host.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil::pg {

// One of the hosts of a connection string.
struct Host {
  // As it is written there: "db-1:5432"; for people.
  std::string name;
  // The string for this host alone, whatever server answers there. May carry a password: not for
  // logs.
  std::string conninfo;
};

// In their order; one that names nothing when libpq is left to find the host. Error
// DATABASE_UNAVAILABLE: libpq cannot read the string.
Result<std::vector<Host>> HostsOf(const std::string& conninfo);

struct HostFacts {
  // Where the connection went: "db-1:5432", or the directory of a socket.
  std::string where;
  // 160002
  int version = 0;
  bool in_recovery = false;
  // No network is between the two.
  bool local = false;
  // "TLSv1.3"; empty when the connection is in plain text.
  std::string tls;

  // "16.2"
  std::string Version() const;
};

// Connects as the string says, and asks nothing. Blocks, up to the deadline.
Result<HostFacts> LookAt(const Host& host, Duration deadline);

}  // namespace vigil::pg
