// The overview of a namespace over HTTP: what the status page shows, for whoever else wants it.
#pragma once

#include <string>
#include <string_view>

#include "access/access.h"
#include "base/loop.h"
#include "coordinator/overviews.h"
#include "http/resource.h"

namespace vigil {

inline constexpr std::string_view kOverviewPath = "/v1/overview";

// One line, in the mapping of json.h. The cursor is where to follow the log from.
std::string ToJson(const std::string& ns, const Overview& overview, size_t subscribers);

// Serves GET of /v1/overview?namespace=NAME to whoever may look at everything there, which is to
// follow the log and to list work items: the roles read-only and operator, or several others.
// `overviews` is that loop's. All of it outlives the server.
Resource OverviewResource(Overviews& overviews, Scheduler& log_loop, const Access& access);

}  // namespace vigil
