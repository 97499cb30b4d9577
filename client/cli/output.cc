#include "cli/output.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

namespace vigil::client {
namespace {

// "2026-03-01T12:00:00.250Z"
std::string Text(const Timestamp& time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time - seconds).count();
  const std::time_t since_epoch = seconds.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&since_epoch, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(ms));
  return text;
}

template <class Tag>
std::string Text(Number<Tag> number) {
  return number ? std::to_string(number.value()) : "-";
}

Json OrNull(const std::optional<Timestamp>& time) {
  return time ? Json(Text(*time)) : Json(nullptr);
}

std::string Base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63U];
    }
  }
  return text;
}

bool IsUtf8(const std::string& bytes) {
  try {
    [[maybe_unused]] const std::string dumped = Json(bytes).dump();
    return true;
  } catch (const Json::type_error&) {  // the library has no other way to ask
    return false;
  }
}

// As text under `name`, or as base64 under `name_base64` when it is no text.
void PutBytes(Json& json, const std::string& name, const std::string& bytes) {
  if (IsUtf8(bytes)) {
    json[name] = bytes;
  } else {
    json[name + "_base64"] = Base64(bytes);
  }
}

// For a table's cell: short, and without what would move the cursor.
std::string Shown(std::string_view bytes) {
  constexpr std::size_t kWidth = 40;
  std::string text;
  for (const char byte : bytes.substr(0, kWidth)) {
    text += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f ? '.' : byte;
  }
  return bytes.size() > kWidth ? text + "..." : text;
}

std::string State(const WorkItem& item) {
  return item.orphan ? "ORPHAN" : std::string(Name(item.state));
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }
std::string OrDash(const std::optional<Timestamp>& time) { return time ? Text(*time) : "-"; }

std::int64_t Milliseconds(Duration duration) { return duration / std::chrono::milliseconds(1); }

// "zone=eu-1, size=large"
std::string Text(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ", ";
    text.append(name).append("=").append(value);
  }
  return OrDash(text);
}

// "ASSIGN, to gpu=yes", "STICKY, waits 30000 ms"
std::string Policy(const WorkTraits& traits) {
  std::string policy(Name(traits.policy));
  if (!traits.selector.empty()) policy += ", to " + Text(traits.selector);
  if (traits.policy == RecoveryPolicy::kSticky) {
    policy += ", waits " + std::to_string(Milliseconds(traits.sticky_wait)) + " ms";
  }
  return policy;
}

std::string Adoptions(const WorkItem& item) {
  return std::to_string(item.adoptions) + "/" + std::to_string(item.traits.max_adoptions);
}

Json ToJson(const FormerOwner& owner) {
  return {{"incarnation", owner.incarnation.value()},
          {"name", owner.name},
          {"fence", owner.fence.value()},
          {"cause", Name(owner.cause)},
          {"reason", owner.reason},
          {"at", OrNull(owner.at)}};
}

}  // namespace

Json ToJson(const Pod& pod) {
  return {{"namespace", pod.ns},
          {"name", pod.name},
          {"incarnation", pod.incarnation.value()},
          {"state", Name(pod.state)},
          {"profile", Name(pod.profile)},
          {"lease_ms", std::chrono::duration_cast<std::chrono::milliseconds>(pod.lease).count()},
          {"labels", pod.labels},
          {"coordinator", pod.coordinator.value()},
          {"session", pod.session.value()},
          {"cause", Name(pod.cause)},
          {"registered_at", OrNull(pod.registered_at)},
          {"ended_at", OrNull(pod.ended_at)}};
}

Json ToJson(const WorkItem& item) {
  Json json{{"namespace", item.ns},          {"key", item.key},
            {"state", Name(item.state)},     {"owner", item.owner.value()},
            {"owner_name", item.owner_name}, {"orphan", item.orphan},
            {"fence", item.fence.value()}};
  PutBytes(json, "payload", item.payload);
  PutBytes(json, "checkpoint", item.checkpoint);
  PutBytes(json, "result", item.result);
  json["kind"] = item.traits.kind;
  json["labels"] = item.traits.labels;
  json["policy"] = Name(item.traits.policy);
  json["selector"] = item.traits.selector;
  json["sticky_wait_ms"] = Milliseconds(item.traits.sticky_wait);
  json["adoptions"] = item.adoptions;
  json["max_adoptions"] = item.traits.max_adoptions;
  json["former_owners"] = Json::array();
  for (const FormerOwner& owner : item.former_owners) {
    json["former_owners"].push_back(ToJson(owner));
  }
  json["started_at"] = OrNull(item.started_at);
  json["updated_at"] = OrNull(item.updated_at);
  return json;
}

Json ToJson(const Event& event) {
  Json json{{"seq", event.seq.value()},
            {"kind", Name(event.kind)},
            {"pod_name", event.pod_name},
            {"incarnation", event.incarnation.value()}};
  if (!event.pod_labels.empty()) json["pod_labels"] = event.pod_labels;
  if (event.cause != Cause::kNone) json["cause"] = Name(event.cause);
  if (event.evidence != Evidence::kNone) json["evidence"] = Name(event.evidence);
  if (event.detected_at) json["detected_at"] = Text(*event.detected_at);
  if (event.kind == EventKind::kPodDied || event.kind == EventKind::kPodLeft)
    json["orphans"] = event.orphans;
  if (!event.work_key.empty()) {
    json["work_key"] = event.work_key;
    json["fence"] = event.fence.value();
  }
  if (event.kind == EventKind::kWorkClaimed) json["previous_owner"] = event.previous_owner.value();
  json["occurred_at"] = OrNull(event.occurred_at);
  return json;
}

Json ToJson(const Position& position) {
  return {{"kind", "POSITION"},
          {"cursor", position.cursor.text()},
          {"seq", position.seq.value()},
          {"oldest", position.oldest.value()},
          {"head", position.head.value()},
          {"read_age_ms", position.read_age / std::chrono::milliseconds(1)}};
}

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void PrintJson(const Json& json) {
  std::fputs(JsonLine(json).c_str(), stdout);
  std::fflush(stdout);
}

void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
}

void PrintPods(const std::vector<Pod>& pods) {
  std::vector<std::vector<std::string>> rows = {
      {"INCARNATION", "NAME", "STATE", "PROFILE", "COORDINATOR", "SESSION", "CAUSE", "REGISTERED"}};
  for (const Pod& pod : pods) {
    rows.push_back({Text(pod.incarnation), pod.name, std::string(Name(pod.state)),
                    std::string(Name(pod.profile)), Text(pod.coordinator), Text(pod.session),
                    pod.cause == Cause::kNone ? "-" : std::string(Name(pod.cause)),
                    pod.registered_at ? Text(*pod.registered_at) : "-"});
  }
  PrintTable(rows);
}

void PrintItems(const std::vector<WorkItem>& items) {
  std::vector<std::vector<std::string>> rows = {
      {"KEY", "STATE", "OWNER", "POD", "FENCE", "KIND", "ADOPTIONS", "PAYLOAD", "CHECKPOINT"}};
  for (const WorkItem& item : items) {
    rows.push_back({item.key, State(item), Text(item.owner), OrDash(item.owner_name),
                    Text(item.fence), OrDash(item.traits.kind), Adoptions(item),
                    Shown(item.payload), Shown(item.checkpoint)});
  }
  PrintTable(rows);
}

void PrintItem(const WorkItem& item) {
  PrintTable({{"KEY", item.key},
              {"STATE", State(item)},
              {"OWNER", Text(item.owner)},
              {"POD", OrDash(item.owner_name)},
              {"FENCE", Text(item.fence)},
              {"KIND", OrDash(item.traits.kind)},
              {"LABELS", Text(item.traits.labels)},
              {"POLICY", Policy(item.traits)},
              {"ADOPTIONS", Adoptions(item)},
              {"PAYLOAD", Shown(item.payload)},
              {"CHECKPOINT", Shown(item.checkpoint)},
              {"RESULT", Shown(item.result)},
              {"STARTED", OrDash(item.started_at)},
              {"UPDATED", OrDash(item.updated_at)}});
  if (item.former_owners.empty()) return;
  std::printf("\n");
  std::vector<std::vector<std::string>> rows = {
      {"FORMER OWNER", "POD", "FENCE", "CAUSE", "REASON", "UNTIL"}};
  for (const FormerOwner& owner : item.former_owners) {
    const bool failed = owner.cause == Cause::kNone;
    rows.push_back({Text(owner.incarnation), owner.name, Text(owner.fence),
                    failed ? "FAILED" : std::string(Name(owner.cause)), OrDash(owner.reason),
                    OrDash(owner.at)});
  }
  PrintTable(rows);
}

std::string EventLine(const Event& event) {
  std::string line = event.occurred_at ? Text(*event.occurred_at) : "-";
  line += "  " + std::to_string(event.seq.value()) + "  " + std::string(Name(event.kind)) + "  " +
          (event.incarnation ? event.pod_name + " (incarnation " + Text(event.incarnation) + ")"
                             : "an operator");
  if (event.cause != Cause::kNone) line += "  cause " + std::string(Name(event.cause));
  if (event.evidence != Evidence::kNone) line += " (" + std::string(Name(event.evidence)) + ")";
  if (event.orphans != 0) line += "  orphans " + std::to_string(event.orphans);
  if (!event.work_key.empty()) line += "  item " + event.work_key + "  fence " + Text(event.fence);
  if (event.previous_owner) line += "  from incarnation " + Text(event.previous_owner);
  return line + "\n";
}

void PrintEvent(const Event& event) {
  std::fputs(EventLine(event).c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace vigil::client
