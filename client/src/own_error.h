// Errors of the library's own making: no coordinator said them.
#pragma once

#include <string_view>

#include "vigil/error.h"

namespace vigil::client {

// An error without a reason of the contract.
Error MakeError(Code code, std::string_view message, std::string_view hint);

}  // namespace vigil::client
