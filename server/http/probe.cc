#include "http/probe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/errors.h"
#include "http/query.h"

namespace vigil {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kVerbose = "verbose";

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string_view PathOf(Sign sign) { return sign == Sign::kLive ? kLivePath : kReadyPath; }

// As JSON has it.
std::string_view NameOf(Sign sign) { return sign == Sign::kLive ? "live" : "ready"; }

std::string_view AsShown(Sign sign) {
  switch (sign) {
    case Sign::kLive:
      return kLivePath;
    case Sign::kReady:
      return kReadyPath;
    case Sign::kPods:
      return "vigil.v1.PodRegistryService";
    case Sign::kEvents:
      return "vigil.v1.PodEventService";
  }
  return "";
}

// Whether a restart helps needs few of them; whether it serves is told with all.
bool IsTold(Sign sign, const HealthCheck& check) {
  return sign == Sign::kReady || check.NeededBy(sign);
}

std::string Line(Sign sign, const HealthCheck& check) {
  if (check.ok) return fmt::format("[+]{} ok: {}\n", check.name, check.sentence);
  return fmt::format("{}: {}\n   {}\n",
                     check.NeededBy(sign) ? fmt::format("[-]{} failed", check.name)
                                          : fmt::format("[!]{} warning", check.name),
                     check.sentence, check.hint);
}

std::string Lines(Sign sign, const Health& health) {
  std::string text;
  for (const HealthCheck& check : health.checks) {
    if (IsTold(sign, check)) text += Line(sign, check);
  }
  return text + fmt::format("{} check {}\n", PathOf(sign).substr(1),
                            health.Says(sign) ? "passed" : "failed");
}

Json ToJson(const HealthCheck& check) {
  Json needed_by = Json::array();
  for (const Sign sign : check.needed_by) needed_by.push_back(AsShown(sign));
  Json json{{"name", check.name}, {"ok", check.ok}, {"message", check.sentence}};
  if (!check.ok) json["hint"] = check.hint;
  json["neededBy"] = std::move(needed_by);
  return json;
}

std::string AllAsJson(Sign sign, const Health& health) {
  Json checks = Json::array();
  for (const HealthCheck& check : health.checks) {
    if (IsTold(sign, check)) checks.push_back(ToJson(check));
  }
  return Text({{NameOf(sign), health.Says(sign)}, {"checks", std::move(checks)}});
}

Answer Brief(Sign sign, const HealthCheck* failing) {
  if (failing == nullptr) return {.body = Text({{NameOf(sign), true}})};
  return Refusal(
      HttpStatus::kUnavailable,
      Error{.code = Code::kUnavailable,
            .reason = sign == Sign::kLive ? reason::kInternal : reason::kCoordinatorUntrusted,
            .message = failing->sentence,
            .hint = failing->hint,
            .metadata = {{"check", std::string(failing->name)}}});
}

}  // namespace

std::optional<Result<Probe>> ParseProbe(std::string_view target, std::string_view accepts) {
  std::string_view query = target;
  const std::string_view path = Cut(query, '?');
  if (path != kLivePath && path != kReadyPath) return std::nullopt;
  Probe probe{.sign = path == kLivePath ? Sign::kLive : Sign::kReady};
  if (query.empty()) return probe;
  if (query != kVerbose && query != "verbose=" && query != "verbose=true" && query != "verbose=1") {
    Error unknown = InvalidField("query", fmt::format("must be nothing or {}", kVerbose));
    unknown.hint = fmt::format("Ask for {0}, or for {0}?{1} to see every check.", path, kVerbose);
    return Fail(std::move(unknown));
  }
  const bool json = accepts.find("application/json") != std::string_view::npos;
  probe.form = json ? Probe::Form::kJson : Probe::Form::kLines;
  return probe;
}

Answer AnswerTo(const Probe& probe, const Health& health) {
  const HealthCheck* failing = health.FirstFailing(probe.sign);
  if (probe.form == Probe::Form::kBrief) return Brief(probe.sign, failing);
  const HttpStatus status = failing == nullptr ? HttpStatus::kOk : HttpStatus::kUnavailable;
  if (probe.form == Probe::Form::kJson) {
    return {.status = status, .body = AllAsJson(probe.sign, health)};
  }
  return {.status = status,
          .body = Lines(probe.sign, health),
          .content_type = "text/plain; charset=utf-8"};
}

}  // namespace vigil
