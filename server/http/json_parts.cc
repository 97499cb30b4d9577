#include "http/json_parts.h"

#include <fmt/format.h>

#include <chrono>

#include "core/errors.h"

namespace vigil {
namespace {

using Labels = std::map<std::string, std::string>;

// As protobuf prints the parts of a second: none, or 3, 6 or 9 digits.
std::string Fraction(int64_t nanos) {
  if (nanos == 0) return "";
  if (nanos % 1'000'000 == 0) return fmt::format(".{:03}", nanos / 1'000'000);
  if (nanos % 1'000 == 0) return fmt::format(".{:06}", nanos / 1'000);
  return fmt::format(".{:09}", nanos);
}

void Put(Json& json, const char* name, const Labels& labels) {
  if (!labels.empty()) json[name] = labels;
}

std::string_view NameOrNothing(Cause cause) { return cause == Cause::kNone ? "" : Name(cause); }

}  // namespace

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Text(Duration duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return fmt::format("{}{}s", whole.count(), Fraction((duration - whole).count()));
}

std::string Text(WallMicros micros) {
  using std::chrono::days;
  const auto seconds = static_cast<int64_t>(micros.value / 1'000'000);
  const std::chrono::year_month_day date{std::chrono::sys_days{days{seconds / 86'400}}};
  const int64_t of_day = seconds % 86'400;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     of_day / 3'600, of_day / 60 % 60, of_day % 60,
                     Fraction(static_cast<int64_t>(micros.value % 1'000'000) * 1'000));
}

void Put(Json& json, const char* name, const std::string& text) {
  if (!text.empty()) json[name] = text;
}

void Put(Json& json, const char* field, std::string_view prefix, std::string_view name) {
  if (!name.empty()) json[field] = fmt::format("{}_{}", prefix, name);
}

Json ToJsonObject(const Pod& pod) {
  Json json;
  Put(json, "namespace", pod.ns);
  Put(json, "name", pod.name);
  Put(json, "incarnation", pod.incarnation);
  Put(json, "state", "POD_STATE", vigil::Name(pod.state));
  Put(json, "profile", "PROFILE", pod.profile == Profile::kFast ? "FAST" : "STRICT");
  json["lease"] = Text(pod.lease);
  Put(json, "labels", pod.labels);
  Put(json, "coordinator", pod.coordinator);
  Put(json, "session", pod.session);
  Put(json, "cause", "CAUSE", NameOrNothing(pod.cause));
  json["registeredAt"] = Text(pod.registered_at);
  if (pod.ended_at) json["endedAt"] = Text(pod.ended_at);
  return json;
}

Json ToJsonObject(const Event& event) {
  Json json;
  Put(json, "seq", event.seq);
  Put(json, "kind", "EVENT_KIND", vigil::Name(event.kind));
  Put(json, "podName", event.pod_name);
  Put(json, "incarnation", event.incarnation);
  Put(json, "cause", "CAUSE", NameOrNothing(event.cause));
  if (event.orphans != 0) json["orphans"] = event.orphans;
  Put(json, "workKey", event.work_key);
  Put(json, "fence", event.fence);
  Put(json, "previousOwner", event.previous_owner);
  json["occurredAt"] = Text(event.occurred_at);
  Put(json, "evidence", "EVIDENCE", vigil::Name(EvidenceOf(event.cause)));
  if (event.detected_at) json["detectedAt"] = Text(event.detected_at);
  Put(json, "podLabels", event.pod_labels);
  return json;
}

}  // namespace vigil
