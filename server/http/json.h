// What subscribers are told, as JSON: the contract's messages in protobuf's JSON mapping, so that
// both worlds agree. Names are in lowerCamelCase, numbers of 64 bits are strings, enums go by name,
// times are RFC 3339, and what has its default is left out. One line each.
#pragma once

#include <string>

#include "coordinator/subscriber_stream.h"

namespace vigil {

std::string ToJson(const Event& event);
std::string ToJson(const SnapshotPart& part);
std::string ToJson(const PositionNotice& notice);
// Beside the contract's fields, `hint` says what to do next.
std::string ToJson(const EndNotice& notice);

}  // namespace vigil
