// Whom incarnations belong to, so that nobody works in another's name.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "access/access.h"
#include "base/error.h"
#include "core/types.h"
#include "store/store.h"

namespace vigil {

// Remembers what the store said of an incarnation, which never changes; forgets everything when it
// is more than a hundred thousand.   (P11)
//
// Thread safety: everything may be called from any thread; no lock is held while the store is
// asked.
class Bindings {
 public:
  // Whether the caller may act for the incarnation; nothing when the store has to be asked. Error
  // IDENTITY_MISMATCH.
  std::optional<Result<void>> Look(const std::string& ns, Incarnation incarnation,
                                   const Permission& permission);

  // The same. Asks the store the first time that one is named here, and never where nobody asks who
  // calls, or for an operator. Errors IDENTITY_MISMATCH, POD_NOT_FOUND, and those of the store.
  Result<void> Check(Store& store, const std::string& ns, Incarnation incarnation,
                     const Permission& permission);

 private:
  std::mutex mutex_;
  // Guarded by mutex_. What one namespace has is not to be learned from another.
  std::map<std::pair<Incarnation, std::string>, std::string> known_;
};

}  // namespace vigil
