// Ports for programs that cannot choose one themselves.
#pragma once

namespace vigil {

// A TCP port of 127.0.0.1 that was free a moment ago, so that somebody else may have it by now. 0
// when there is none.
int FreePort();

}  // namespace vigil
