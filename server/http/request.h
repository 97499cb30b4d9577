// What a request's head asks of the server, as a function of the head alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "http/answer.h"
#include "http/events_target.h"
#include "http/probe.h"
#include "http/resource.h"

namespace vigil {

// The part of a request's head that matters here.
struct RequestHead {
  std::string_view method;
  std::string_view target;
  // Of the protocol: 10 or 11.
  unsigned version = 11;
  // How many there are.
  size_t hosts = 0;
  std::string_view last_event_id;
  // Of the header `Accept`.
  std::string_view accepts;
  bool has_body = false;
  // Of the header `Authorization`; empty when there is none. And how many there are.
  std::string_view authorization;
  size_t authorizations = 0;

  // An EventSource comes back by itself unless it is told an error.
  bool comes_back() const {
    return !last_event_id.empty() || accepts.find("text/event-stream") != std::string_view::npos;
  }
  bool wants_head_only() const { return method == "HEAD"; }
  std::string_view path() const { return target.substr(0, target.find('?')); }
};

// An answer, or what has to be looked up or followed for one.
using Route = std::variant<Answer, Probe, SubscriptionRequest, const Resource*>;

// A resource of the route is one of `resources`.
Route RouteOf(const RequestHead& head, std::span<const Resource> resources = {});

// --- Answers to what is no request.

Answer HeadTooLarge();
Answer NotHttp(std::string_view why);
Answer RequestTooSlow();
Answer TooManyConnections();

// The answer of a resource that gave none in time.
Answer AnswerOverdue();

}  // namespace vigil
