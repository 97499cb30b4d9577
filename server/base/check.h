// The always-on check: a defect of ours ends the process, with the place and the broken
// expectation.
#pragma once

#include <string_view>

namespace vigil {

[[noreturn]] void CheckFailed(const char* file, int line, std::string_view expectation);

}  // namespace vigil

#define VIGIL_CHECK(condition)                                              \
  do {                                                                      \
    if (!(condition)) ::vigil::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)
