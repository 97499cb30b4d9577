// What the JSON of this directory is put together from: the domain's values in protobuf's JSON
// mapping (json.h).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/types.h"

namespace vigil {

using Json = nlohmann::ordered_json;

// On one line. Text that is no UTF-8 is replaced.
std::string Line(const Json& json);

// "1.500s"
std::string Text(Duration duration);
// "2026-01-02T03:04:05.678Z"
std::string Text(WallMicros micros);

// Each leaves out what has its default.
void Put(Json& json, const char* name, const std::string& text);
// The name of an enum's value; `name` is empty for the one that is left out.
void Put(Json& json, const char* field, std::string_view prefix, std::string_view name);
template <typename Tag>
void Put(Json& json, const char* name, Number<Tag> number) {
  if (number) json[name] = std::to_string(number.value);
}

Json ToJsonObject(const Pod& pod);
Json ToJsonObject(const Event& event);

}  // namespace vigil
