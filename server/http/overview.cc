#include "http/overview.h"

#include <optional>
#include <utility>

#include "core/cursor.h"
#include "core/errors.h"
#include "http/json_parts.h"
#include "http/query.h"

namespace vigil {
namespace {

std::string_view Name(CoordinatorState state) {
  switch (state) {
    case CoordinatorState::kAlive:
      return "ALIVE";
    case CoordinatorState::kLeft:
      return "LEFT";
    case CoordinatorState::kDead:
      return "DEAD";
  }
  return "";
}

Json ToJsonObject(Count count) { return {{"number", count.number}, {"more", count.more}}; }

Json ToJsonObject(const CoordinatorSummary& coordinator) {
  Json json;
  Put(json, "number", coordinator.number);
  json["address"] = coordinator.address;
  json["state"] = Name(coordinator.state);
  json["pods"] = coordinator.pods;
  json["startedAt"] = Text(coordinator.started_at);
  if (coordinator.ended_at) json["endedAt"] = Text(coordinator.ended_at);
  return json;
}

template <typename T>
Json ListOf(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(ToJsonObject(value));
  return list;
}

// Why the caller may not look. Whoever may do both of these looks at everything anyway.
std::optional<Error> RefusalOf(const Access& access, const Caller& caller, const std::string& ns) {
  for (const Rpc rpc : {Rpc::kSubscribe, Rpc::kListWork}) {
    auto permission = access.Ask(caller, rpc, ns);
    if (permission) continue;
    Error error = std::move(permission.error());
    if (error.reason != reason::kNotGranted) return error;
    const std::string roles = Names(Role::kOperator | Role::kReadOnly);
    error.hint = "Have one of these roles granted to it there: " + roles + ".";
    error.metadata = {{"roles", roles}};
    return error;
  }
  return std::nullopt;
}

Answer Shown(const Result<Overviews::Text>& text) {
  Answer answer = text ? Answer{.body = **text} : Refusal(text.error());
  answer.headers = {{"X-Content-Type-Options", "nosniff"}};
  return answer;
}

}  // namespace

std::string ToJson(const std::string& ns, const Overview& overview, size_t subscribers) {
  Json json;
  json["namespace"] = ns;
  json["readAt"] = Text(overview.read_at);
  json["cursor"] = FormatCursor({overview.head, ns});
  json["head"] = std::to_string(overview.head.seq.value);
  json["alive"] = overview.alive;
  json["suspect"] = overview.suspect;
  json["deaths"] = ToJsonObject(overview.deaths);
  if (overview.detection_p50) json["detectionP50"] = Text(*overview.detection_p50);
  if (overview.detection_p99) json["detectionP99"] = Text(*overview.detection_p99);
  json["orphans"] = ToJsonObject(overview.orphans);
  if (overview.orphans_since) json["orphansSince"] = Text(overview.orphans_since);
  json["quarantined"] = ToJsonObject(overview.quarantined);
  json["subscribers"] = subscribers;
  json["connections"] = overview.connections;
  json["connectionLimit"] = overview.connection_limit;
  json["coordinators"] = ListOf(overview.coordinators);
  json["pods"] = ListOf(overview.pods);
  json["events"] = ListOf(overview.events);
  return Line(json) + "\n";
}

Resource OverviewResource(Overviews& overviews, Scheduler& log_loop, const Access& access) {
  return {std::string(kOverviewPath),
          [&](const ResourceRequest& request, const Resource::Reply& reply) {
            auto ns = NamespaceFrom(request.query);
            if (!ns) return reply(Refusal(ns.error()));
            if (auto refusal = RefusalOf(access, request.caller, *ns)) {
              return reply(Refusal(*refusal));
            }
            log_loop.Post([&overviews, ns = std::move(*ns), reply] {
              overviews.Get(ns,
                            [reply](const Result<Overviews::Text>& text) { reply(Shown(text)); });
            });
          }};
}

}  // namespace vigil
