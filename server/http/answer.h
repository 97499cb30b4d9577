// A whole answer that is not a stream.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vigil {

// The statuses that answers have, with HTTP's numbers.
enum class HttpStatus {
  kOk = 200,
  kNoContent = 204,
  kBadRequest = 400,
  kUnauthorized = 401,
  kForbidden = 403,
  kNotFound = 404,
  kMethodNotAllowed = 405,
  kRequestTimeout = 408,
  kConflict = 409,
  kContentTooLarge = 413,
  kHeadTooLarge = 431,
  kInternal = 500,
  kUnavailable = 503,
};

struct Answer {
  HttpStatus status = HttpStatus::kOk;
  std::string body;
  std::string content_type = "application/json";
  // Beside those that every answer has.
  std::vector<std::pair<std::string, std::string>> headers;
};

// Whether the same request may be served a little later, or elsewhere.
bool IsTemporary(const Error& error);

HttpStatus StatusOf(const Error& error);

// {"reason", "message", "hint"} of what callers are told of it (access/disclosure.h), beside its
// metadata by their names.
std::string ToJson(const Error& refused);

// All of the response, as it is written. `keep` says whether the connection is kept; `head_only`
// that it answers HEAD, which has no body: whoever asked would take it for the next response.
std::string ToText(const Answer& answer, bool keep, bool head_only = false);

// The error as an answer, with the status that its code has or with another one.
Answer Refusal(const Error& error);
Answer Refusal(HttpStatus status, const Error& error);

}  // namespace vigil
