#include "pg/params.h"

#include "pg/wire.h"

namespace vigil::pg {
namespace {

// The head of a one-dimensional array without nulls: dimensions, has-null flag, element type,
// length, lower bound.
void PutArrayHead(std::string& out, uint32_t element_type, size_t length) {
  wire::Put32(out, length == 0 ? 0 : 1);
  wire::Put32(out, 0);
  wire::Put32(out, element_type);
  if (length == 0) return;
  wire::Put32(out, static_cast<uint32_t>(length));
  wire::Put32(out, 1);
}

// Precise to the microsecond.
void PutInterval(std::string& out, Duration duration) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  wire::Put64(out, static_cast<uint64_t>(micros));
  wire::Put32(out, 0);  // days
  wire::Put32(out, 0);  // months
}

}  // namespace

Param::Param(std::string_view text) : type_(wire::kText), value_(text) {}

Param::Param(bool flag) : type_(wire::kBool), value_(1, flag ? '\1' : '\0') {}

Param::Param(Duration duration) : type_(wire::kInterval) { PutInterval(value_, duration); }

Param::Param(const std::vector<int64_t>& numbers) : type_(wire::kBigintArray) {
  PutArrayHead(value_, wire::kBigint, numbers.size());
  for (const int64_t number : numbers) {
    wire::Put32(value_, 8);
    wire::Put64(value_, static_cast<uint64_t>(number));
  }
}

Param::Param(const std::vector<std::string>& texts) : type_(wire::kTextArray) {
  PutArrayHead(value_, wire::kText, texts.size());
  for (const std::string& text : texts) {
    wire::Put32(value_, static_cast<uint32_t>(text.size()));
    value_ += text;
  }
}

Param::Param(const std::vector<bool>& flags) : type_(wire::kBoolArray) {
  PutArrayHead(value_, wire::kBool, flags.size());
  for (const bool flag : flags) {
    wire::Put32(value_, 1);
    value_ += flag ? '\1' : '\0';
  }
}

Param::Param(const std::vector<Duration>& durations) : type_(wire::kIntervalArray) {
  PutArrayHead(value_, wire::kInterval, durations.size());
  for (const Duration duration : durations) {
    wire::Put32(value_, 16);
    PutInterval(value_, duration);
  }
}

Param Param::Bytes(std::string_view bytes) {
  Param param(wire::kBytea);
  param.value_ = bytes;
  return param;
}

Param Param::Bigint(int64_t number) {
  Param param(wire::kBigint);
  wire::Put64(param.value_, static_cast<uint64_t>(number));
  return param;
}

}  // namespace vigil::pg
