// Names that nobody else gives.
#pragma once

#include <string>

namespace vigil::client {

// 32 hexadecimal digits from the system's entropy: nobody can guess them.
std::string RandomId();

}  // namespace vigil::client
