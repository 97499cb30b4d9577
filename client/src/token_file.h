// A token in a file, which somebody else may replace at any time.
#pragma once

#include <string>

#include "mutex.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// Reads the file again when a second has passed since the last time. A file that cannot be used
// any more leaves the token as it was.
//
// Thread safety: everything may be called from any thread.
class TokenFile {
 public:
  // Error INVALID_ARGUMENT: it cannot be read, or holds no token: 1 to 4096 printable characters of
  // ASCII without a space, and nothing more but the end of the line. Never says the token.
  static Result<void> Check(const std::string& name);

  explicit TokenFile(std::string name);

  // Empty when there has never been one.
  std::string Token();

 private:
  const std::string name_;
  Mutex mutex_;
  std::string token_ VIGIL_GUARDED_BY(mutex_);
  Time next_look_ VIGIL_GUARDED_BY(mutex_);
};

}  // namespace vigil::client
