#include "http/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/errors.h"

namespace vigil {
namespace {

// A refusal of HTTP itself, before anything of the domain is looked at.
Answer Violation(HttpStatus status, std::string message, std::string hint) {
  return Refusal(status, Error{.code = Code::kInvalidArgument,
                               .reason = reason::kProtocolViolation,
                               .message = std::move(message),
                               .hint = std::move(hint)});
}

Route EventsOrRefusal(const RequestHead& head) {
  // Its stream has said why it ended. Anything but this would make an EventSource ask for ever.
  if (head.last_event_id == kExpiredId) return Answer{HttpStatus::kNoContent, ""};
  auto request = ParseEventsTarget(head.target, head.last_event_id);
  if (!request) return Refusal(request.error());
  return std::move(*request);
}

}  // namespace

Route RouteOf(const RequestHead& head, std::span<const Resource> resources) {
  if (head.hosts > 1 || (head.hosts == 0 && head.version >= 11)) {
    return Violation(HttpStatus::kBadRequest,
                     fmt::format("the request has {} Host headers", head.hosts),
                     "Send the Host header once.");
  }
  if (head.authorizations > 1) {
    return Violation(HttpStatus::kBadRequest,
                     fmt::format("the request has {} Authorization headers", head.authorizations),
                     "Send the one token that is yours.");
  }
  const std::string_view path = head.path();
  const auto resource = std::ranges::find(resources, path, &Resource::path);
  const auto probe = ParseProbe(head.target, head.accepts);
  if (path != kEventsPath && !probe && resource == resources.end()) {
    return Violation(
        HttpStatus::kNotFound, fmt::format("there is nothing at {}", path),
        fmt::format("Ask for {}?namespace=NAME, {} or {}.", kEventsPath, kLivePath, kReadyPath));
  }
  if (head.method != "GET" && !(path != kEventsPath && head.wants_head_only())) {
    return Violation(HttpStatus::kMethodNotAllowed,
                     fmt::format("{} cannot be used on {}", head.method, path), "Use GET.");
  }
  if (head.has_body) {
    return Violation(HttpStatus::kContentTooLarge, "the request has a body",
                     "Send GET without a body.");
  }
  if (probe) return *probe ? Route(**probe) : Refusal(probe->error());
  if (resource != resources.end()) return &*resource;
  return EventsOrRefusal(head);
}

Answer HeadTooLarge() {
  return Violation(HttpStatus::kHeadTooLarge, "the request's head is larger than 16 KiB",
                   "Ask for fewer labels, and send fewer headers.");
}

Answer NotHttp(std::string_view why) {
  return Violation(HttpStatus::kBadRequest, fmt::format("this is no HTTP request: {}", why),
                   "Speak HTTP/1.1 without TLS to this port; gRPC has a port of its own.");
}

Answer RequestTooSlow() {
  return Refusal(StreamIdle("the request's head did not come to its end within 10 s"));
}

Answer AnswerOverdue() { return Refusal(DatabaseUnavailable("there was no answer within 10 s")); }

Answer TooManyConnections() {
  return Refusal(LimitReached("http-connections",
                              "this coordinator has as many connections over "
                              "HTTP as it may"));
}

}  // namespace vigil
