// Durations and times as the contract's messages, and back.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "core/types.h"

namespace vigil {

void Set(google::protobuf::Duration* to, Duration duration);
void Set(google::protobuf::Timestamp* to, WallMicros micros);

// Error INVALID_FIELD: it is negative, or longer than this, which may be a day at most.   (P11)
Result<Duration> Read(const google::protobuf::Duration& from, std::string_view field,
                      Duration longest);

}  // namespace vigil
