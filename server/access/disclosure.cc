#include "access/disclosure.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/seldom.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kLogRest = std::chrono::seconds(1);

Error Told(const Error& error) {
  if (error.Is(reason::kDatabaseUnavailable)) {
    return DatabaseUnavailable("the database of this coordinator is not available");
  }
  if (error.Is(reason::kOutcomeUnknown)) {
    return OutcomeUnknown("the database did not say whether it was done");
  }
  // Limits of our own have a name.
  if (error.Is(reason::kLimitReached) && error.metadata.empty()) {
    return LimitReached("database", "the database has no room for it");
  }
  if (error.Is(reason::kInternal) && error.code == Code::kInternal) {
    return Error{error.code,
                 reason::kInternal,
                 "something failed inside this coordinator",
                 "See its log; if that does not help, report it.",
                 {}};
  }
  return error;
}

}  // namespace

Error ForCallers(const Error& error) {
  static const SystemClock clock;
  static Seldom seldom(kLogRest);
  Error told = Told(error);
  if (told.message == error.message) return told;
  if (const auto unsaid = seldom.May(clock.Now())) {
    log::Failed("An error, of which callers are not told all.", error, {{"unsaid", *unsaid}});
  }
  return told;
}

}  // namespace vigil
