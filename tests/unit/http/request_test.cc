#include "http/request.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "core/errors.h"

namespace vigil {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kEvents = "/v1/events?namespace=default";

RequestHead Get(std::string_view target) { return {.method = "GET", .target = target, .hosts = 1}; }

void ExpectRefused(const RequestHead& head, HttpStatus status) {
  const Route route = RouteOf(head);
  const auto* answer = std::get_if<Answer>(&route);
  ASSERT_TRUE(answer) << head.target;
  EXPECT_EQ(answer->status, status) << head.target;
  const auto json = nlohmann::json::parse(answer->body);
  for (const char* field : {"reason", "message", "hint"}) {
    EXPECT_FALSE(json.at(field).get<std::string>().empty()) << answer->body;
  }
}

TEST(Request, EveryPathLeadsSomewhere) {
  EXPECT_EQ(std::get<Probe>(RouteOf(Get("/livez"))).sign, Sign::kLive);
  EXPECT_EQ(std::get<Probe>(RouteOf(Get("/readyz?verbose"))).sign, Sign::kReady);
  EXPECT_EQ(std::get<SubscriptionRequest>(RouteOf(Get(kEvents))).ns, "default");
}

TEST(Request, WhatIsNoneIsRefusedWithItsStatus) {
  ExpectRefused(Get("/"), HttpStatus::kNotFound);
  ExpectRefused(Get("/v1/events/"), HttpStatus::kNotFound);
  ExpectRefused(Get("*"), HttpStatus::kNotFound);
  ExpectRefused(Get("/v1/events"), HttpStatus::kBadRequest);
  ExpectRefused(Get("/readyz?exclude=log"), HttpStatus::kBadRequest);
  ExpectRefused(Get("/v1/events?namespace=default&after=x"), HttpStatus::kBadRequest);
  for (const char* method : {"POST", "HEAD", "OPTIONS", "get"}) {
    RequestHead head = Get(kEvents);
    head.method = method;
    ExpectRefused(head, HttpStatus::kMethodNotAllowed);
  }
  RequestHead with_body = Get(kEvents);
  with_body.has_body = true;
  ExpectRefused(with_body, HttpStatus::kContentTooLarge);
}

TEST(Request, ProbesAnswerHead) {
  RequestHead head = Get("/readyz");
  head.method = "HEAD";
  EXPECT_EQ(std::get<Probe>(RouteOf(head)).sign, Sign::kReady);
}

TEST(Request, Sse_AnEventSourceComesBackThoughItHasNoIdYet) {
  RequestHead head = Get(kEvents);
  EXPECT_FALSE(head.comes_back());
  head.accepts = "text/event-stream";
  EXPECT_TRUE(head.comes_back());
  head.accepts = "*/*";
  EXPECT_FALSE(head.comes_back());
  head.last_event_id = "v1.40.default.4";
  EXPECT_TRUE(head.comes_back());
}

TEST(Request, TheHostIsNamedOnce) {
  RequestHead head = Get("/livez");
  head.hosts = 0;
  ExpectRefused(head, HttpStatus::kBadRequest);
  head.hosts = 2;
  ExpectRefused(head, HttpStatus::kBadRequest);
  head.version = 10;
  head.hosts = 0;
  EXPECT_TRUE(std::holds_alternative<Probe>(RouteOf(head)));
}

// Else an EventSource whose cursor has expired would ask for ever.
TEST(Request, Sse_WhoHasHeardOfExpiredIsToldToStop) {
  RequestHead head = Get(kEvents);
  head.last_event_id = "expired";
  const Route route = RouteOf(head);
  ASSERT_TRUE(std::holds_alternative<Answer>(route));
  EXPECT_EQ(std::get<Answer>(route).status, HttpStatus::kNoContent);
}

TEST(Answer, EveryErrorHasItsStatus) {
  EXPECT_EQ(StatusOf(InvalidField("f", "must")), HttpStatus::kBadRequest);
  EXPECT_EQ(StatusOf(InvalidCursor("is not")), HttpStatus::kBadRequest);
  EXPECT_EQ(StatusOf(LimitReached("l", "full")), HttpStatus::kUnavailable);
  EXPECT_EQ(StatusOf(CoordinatorDraining()), HttpStatus::kUnavailable);
  EXPECT_EQ(StatusOf(DatabaseUnavailable("away")), HttpStatus::kUnavailable);
  EXPECT_EQ(StatusOf(Error{}), HttpStatus::kInternal);
}

TEST(Answer, TheTextIsAWholeResponse) {
  const std::string text = ToText(Refusal(LimitReached("max-subscribers", "full")), false);
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(text, HasSubstr("Retry-After: 1\r\n"));
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  EXPECT_THAT(text, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
  const auto json = nlohmann::json::parse(body);
  EXPECT_EQ(json["reason"], "LIMIT_REACHED");
  EXPECT_EQ(json["limit"], "max-subscribers");
  EXPECT_THAT(ToText({HttpStatus::kMethodNotAllowed, "{}"}, true), HasSubstr("Allow: GET\r\n"));
  EXPECT_THAT(ToText({HttpStatus::kNoContent, ""}, true), Not(HasSubstr("Content-Length")));
  EXPECT_THAT(ToText({HttpStatus::kOk, "{}"}, true, /*head_only=*/true),
              testing::EndsWith("Content-Length: 2\r\n\r\n"));
  EXPECT_THAT(
      ToText({.body = "a", .content_type = "text/css", .headers = {{"X-One", "1"}}}, true),
      testing::EndsWith("X-One: 1\r\nContent-Type: text/css\r\nContent-Length: 1\r\n\r\na"));
}

TEST(Answer, BytesThatAreNoTextDoNotBreakTheJson) {
  const Answer answer = Refusal(InvalidField("\xff\xfe", "must be text"));
  EXPECT_EQ(nlohmann::json::parse(answer.body)["reason"], "INVALID_FIELD");
}

}  // namespace
}  // namespace vigil
