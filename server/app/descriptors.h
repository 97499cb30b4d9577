// What each part of the server may have of the files that a process may open.
#pragma once

#include <cstddef>

#include "app/config.h"

namespace vigil {

// Lets this process open as many files as it may at most: what a shell or an engine gives to begin
// with is often 1024.
void RaiseDescriptorLimit();

// How many connections gRPC and HTTP may have, each: half of what the connections to the database,
// and all else, leave.
size_t ShareOfDescriptors(const Config& config);

}  // namespace vigil
