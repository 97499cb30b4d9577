// What callers are told of an error.
#pragma once

#include "base/error.h"

namespace vigil {

// Without what the database or its library said of it, which tells of hosts, ports and roles. That
// goes into the log, at most once a second. Any thread.
Error ForCallers(const Error& error);

}  // namespace vigil
