// The hosts that a connection string names, one by one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vigil::pg {

struct ListedHost {
  // A name, an address or the directory of a socket; or nothing, where there is an address.
  std::string host;
  std::string hostaddr;
  // Empty for the default.
  std::string port;
};

using HostList = std::vector<ListedHost>;

// In their order, paired as libpq does it. Empty when the string names none, or lists that do not
// match: libpq finds the host then, or says why not. Error as CheckConninfo.
Result<HostList> HostListOf(const std::string& conninfo);

// What names them in a connection string (keyword, value); nothing for no hosts.
std::vector<std::pair<std::string, std::string>> KeywordsOf(const HostList& hosts);

}  // namespace vigil::pg
