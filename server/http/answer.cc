#include "http/answer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "access/disclosure.h"

namespace vigil {
namespace {

std::string_view PhraseOf(HttpStatus status) {
  switch (status) {
    case HttpStatus::kOk:
      return "OK";
    case HttpStatus::kNoContent:
      return "No Content";
    case HttpStatus::kBadRequest:
      return "Bad Request";
    case HttpStatus::kUnauthorized:
      return "Unauthorized";
    case HttpStatus::kForbidden:
      return "Forbidden";
    case HttpStatus::kNotFound:
      return "Not Found";
    case HttpStatus::kMethodNotAllowed:
      return "Method Not Allowed";
    case HttpStatus::kRequestTimeout:
      return "Request Timeout";
    case HttpStatus::kConflict:
      return "Conflict";
    case HttpStatus::kContentTooLarge:
      return "Content Too Large";
    case HttpStatus::kHeadTooLarge:
      return "Request Header Fields Too Large";
    case HttpStatus::kInternal:
      return "Internal Server Error";
    case HttpStatus::kUnavailable:
      return "Service Unavailable";
  }
  return "";
}

}  // namespace

bool IsTemporary(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

HttpStatus StatusOf(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
      return HttpStatus::kBadRequest;
    case Code::kUnauthenticated:
      return HttpStatus::kUnauthorized;
    case Code::kPermissionDenied:
      return HttpStatus::kForbidden;
    case Code::kNotFound:
      return HttpStatus::kNotFound;
    case Code::kDeadlineExceeded:
      return HttpStatus::kRequestTimeout;
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kAborted:
      return HttpStatus::kConflict;
    case Code::kResourceExhausted:
    case Code::kUnavailable:
      return HttpStatus::kUnavailable;
    case Code::kInternal:
      break;
  }
  return HttpStatus::kInternal;
}

std::string ToJson(const Error& refused) {
  const Error error = ForCallers(refused);
  nlohmann::ordered_json json{
      {"reason", error.reason}, {"message", error.message}, {"hint", error.hint}};
  for (const auto& [name, value] : error.metadata) json.emplace(name, value);
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string ToText(const Answer& answer, bool keep, bool head_only) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nConnection: {}\r\nCache-Control: no-store\r\n",
                                 static_cast<int>(answer.status), PhraseOf(answer.status),
                                 keep ? "keep-alive" : "close");
  if (answer.status == HttpStatus::kMethodNotAllowed) text += "Allow: GET\r\n";
  if (answer.status == HttpStatus::kUnauthorized) text += "WWW-Authenticate: Bearer\r\n";
  if (answer.status == HttpStatus::kUnavailable) text += "Retry-After: 1\r\n";
  if (answer.status == HttpStatus::kNoContent) return text + "\r\n";
  for (const auto& [name, value] : answer.headers) text += fmt::format("{}: {}\r\n", name, value);
  return text + fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n\r\n{}", answer.content_type,
                            answer.body.size(), head_only ? "" : answer.body);
}

Answer Refusal(const Error& error) { return Refusal(StatusOf(error), error); }

Answer Refusal(HttpStatus status, const Error& error) { return {status, ToJson(error) + "\n"}; }

}  // namespace vigil
