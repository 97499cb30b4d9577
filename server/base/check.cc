#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace vigil {

void CheckFailed(const char* file, int line, std::string_view expectation) {
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n", file, line,
               static_cast<int>(expectation.size()), expectation.data());
  std::abort();
}

}  // namespace vigil
