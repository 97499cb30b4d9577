#include "subscription_ends.h"

#include <string>
#include <string_view>

#include "own_error.h"
#include "status.h"

namespace vigil::client {
namespace {

Error Expired(const v1::End& end, const std::optional<Cursor>& after) {
  const std::string oldest = std::to_string(end.oldest());
  const std::string head = std::to_string(end.head());
  const bool told = end.oldest() != 0;  // older coordinators do not tell
  std::string message =
      "EXPIRED: the log no longer has what follows the cursor: it was pruned, or lost with the "
      "database";
  if (told) {
    message += end.oldest() > end.head() ? ". No event is retained; the last one was " + head
                                         : ". Retained are the events " + oldest + " to " + head;
  }
  Error error = MakeError(Code::kOutOfRange, message,
                          "Start again from now, with a snapshot of the living pods, or from the "
                          "oldest event that is retained; what lies between is lost.");
  if (after) error.metadata["cursor"] = after->text();
  if (told) {
    error.metadata["oldest"] = oldest;
    error.metadata["head"] = head;
  }
  return error;
}

// The coordinator ended it, at this position.
Error Ended(std::string_view how, const std::string& cursor, std::string_view message,
            std::string_view hint) {
  Error error = MakeError(Code::kUnavailable, message, hint);
  error.metadata["end"] = how;
  if (!cursor.empty()) error.metadata["cursor"] = cursor;
  return error;
}

}  // namespace

Error WhyEnded(const StreamEnd& end, const std::optional<Cursor>& after) {
  switch (end.said ? end.said->reason() : v1::END_REASON_UNSPECIFIED) {
    case v1::END_REASON_EXPIRED:
      return Expired(*end.said, after);
    case v1::END_REASON_LAGGED:
      return Ended("LAGGED", end.said->cursor(), "LAGGED: the subscription fell behind",
                   "Make the callbacks faster.");
    case v1::END_REASON_DRAINING:
      return Ended("DRAINING", end.said->cursor(), "DRAINING: the coordinator is shutting down",
                   "Nothing: it is resumed elsewhere.");
    default:
      break;
  }
  if (end.silent) {
    return MakeError(Code::kDeadlineExceeded, "the coordinator was silent for too long",
                     "Look at the coordinator and at the network.");
  }
  if (end.unread) {
    return MakeError(Code::kUnavailable,
                     "the coordinator has not read the log for too long, and another one reads it",
                     "Look at the link between that coordinator and the database.");
  }
  if (!end.status.ok()) return FromStatus(end.status);
  return Ended("", {}, "the coordinator ended the stream without a reason",
               "Look at the log of the coordinator.");
}

}  // namespace vigil::client
