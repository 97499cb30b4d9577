#include "subscription_options.h"

#include <string>

#include "own_error.h"

namespace vigil::client {
namespace {

constexpr Duration kLongestTimeout = std::chrono::hours(1);

Error InvalidField(const std::string& field, const std::string& rule) {
  Error error =
      MakeError(Code::kInvalidArgument, field + " " + rule, "Correct the subscription's options.");
  error.reason = Reason::kInvalidField;
  error.metadata["field"] = field;
  return error;
}

bool IsTimeout(Duration duration) {
  return duration > Duration::zero() && duration <= kLongestTimeout;
}

}  // namespace

std::optional<Error> FindMistake(const Subscription::Options& options) {
  const auto* cursor = std::get_if<Cursor>(&options.start);
  if (cursor != nullptr && !cursor->well_formed()) {
    Error error = MakeError(
        Code::kInvalidArgument,
        cursor->empty() ? "the cursor to start after is empty"
                        : "what to start after is no cursor: one has 1 to 128 printable "
                          "characters of ASCII and no space",
        "Give a cursor's text back as it came, or start from the oldest event or from now.");
    error.reason = Reason::kInvalidCursor;
    return error;
  }
  for (const EventKind kind : options.filter.kinds) {
    if (kind == EventKind::kUnknown) return InvalidField("filter.kinds", "has an unknown kind");
  }
  if (!IsTimeout(options.idle_timeout)) {
    return InvalidField("idle_timeout", "must be longer than 0 and at most 1 h");
  }
  if (!IsTimeout(options.read_tolerance)) {
    return InvalidField("read_tolerance", "must be longer than 0 and at most 1 h");
  }
  return std::nullopt;
}

}  // namespace vigil::client
