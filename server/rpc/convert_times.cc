#include "rpc/convert_times.h"

#include <chrono>

#include "core/errors.h"

namespace vigil {

using std::chrono::seconds;

void Set(google::protobuf::Duration* to, Duration duration) {
  const auto whole = std::chrono::duration_cast<seconds>(duration);
  to->set_seconds(whole.count());
  to->set_nanos(static_cast<int32_t>((duration - whole).count()));
}

void Set(google::protobuf::Timestamp* to, WallMicros micros) {
  to->set_seconds(static_cast<int64_t>(micros.value / 1'000'000));
  to->set_nanos(static_cast<int32_t>(micros.value % 1'000'000 * 1'000));
}

// Refuses what protobuf's own range allows but nothing here means, so that the sum cannot overflow.
Result<Duration> Read(const google::protobuf::Duration& from, std::string_view field,
                      Duration longest) {
  const bool formed = from.seconds() >= 0 && from.seconds() <= 86'400 && from.nanos() >= 0 &&
                      from.nanos() < 1'000'000'000;
  const Duration duration =
      formed ? Duration(seconds(from.seconds())) + Duration(from.nanos()) : longest;
  if (formed && duration <= longest) return duration;
  return Fail(InvalidField(field, "must be a duration that is not negative and not too long"));
}

}  // namespace vigil
