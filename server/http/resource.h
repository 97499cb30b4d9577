// What the HTTP port serves beside the event log and the probes: a path each.
#pragma once

#include <functional>
#include <string>

#include "access/access.h"
#include "http/answer.h"

namespace vigil {

struct ResourceRequest {
  // What stands behind the `?` of the target, as it came.
  std::string query;
  // By the token of the header `Authorization`; asked for rights by whoever serves the resource.
  Caller caller;
};

struct Resource {
  using Reply = std::function<void(Answer)>;

  // Of the target, up to its `?`.
  std::string path;
  // Called on the HTTP thread, which it does not block. Gives its one answer on that thread at
  // once, or later on that of one of the process's loops; after 10 s the client is told that
  // there is none.
  std::function<void(const ResourceRequest&, const Reply&)> serve;
};

}  // namespace vigil
