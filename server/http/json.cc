#include "http/json.h"

#include <string_view>

#include "core/cursor.h"
#include "http/json_parts.h"

namespace vigil {
namespace {

std::string_view Name(EndReason reason) {
  switch (reason) {
    case EndReason::kExpired:
      return "EXPIRED";
    case EndReason::kLagged:
      return "LAGGED";
    case EndReason::kDraining:
      return "DRAINING";
  }
  return "";
}

std::string_view HintOf(const EndNotice& notice) {
  if (notice.reason == EndReason::kExpired) {
    return "Events after your cursor are gone: start again from now, with a snapshot.";
  }
  if (!notice.cursor) return "The snapshot was not delivered to its end: start again from now.";
  return notice.reason == EndReason::kLagged
             ? "You read too slowly for live delivery: resume after the cursor."
             : "This coordinator is shutting down: resume after the cursor on another one.";
}

}  // namespace

std::string ToJson(const Event& event) { return Line(ToJsonObject(event)); }

std::string ToJson(const SnapshotPart& part) {
  Json json = Json::object();
  for (const Pod& pod : part.pods) json["pods"].push_back(ToJsonObject(pod));
  if (part.cursor) json["cursor"] = FormatCursor(*part.cursor);
  return Line(json);
}

std::string ToJson(const PositionNotice& notice) {
  Json json;
  json["cursor"] = FormatCursor(notice.cursor);
  Put(json, "head", notice.head);
  json["readAge"] = Text(notice.read_age);
  Put(json, "oldest", notice.oldest);
  return Line(json);
}

std::string ToJson(const EndNotice& notice) {
  Json json;
  Put(json, "reason", "END_REASON", Name(notice.reason));
  if (notice.cursor) json["cursor"] = FormatCursor(*notice.cursor);
  Put(json, "oldest", notice.oldest);
  Put(json, "head", notice.head);
  json["hint"] = HintOf(notice);
  return Line(json);
}

}  // namespace vigil
