// The parameters of a statement, each with its type, in the wire's binary format.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/number.h"

namespace vigil::pg {

// A statement of ours. The name is that of the prepared statement: one name, one text.
struct Statement {
  const char* name;
  const char* sql;
  // Sent as text each time, and not prepared: for what a session is asked once.
  bool once = false;
};

// One parameter. It owns its value.
class Param {
 public:
  // Implicit, so that a list of parameters reads as a list of values.
  // NOLINTBEGIN(google-explicit-constructor)
  Param(std::string_view text);
  Param(const std::string& text) : Param(std::string_view(text)) {}
  Param(const char* text) : Param(std::string_view(text)) {}
  Param(bool flag);
  Param(std::integral auto number) : Param(Bigint(static_cast<int64_t>(number))) {}
  template <typename Tag>
  Param(Number<Tag> number) : Param(Bigint(static_cast<int64_t>(number.value))) {}
  // interval, with the precision of a microsecond
  Param(Duration duration);
  // bigint[]
  Param(const std::vector<int64_t>& numbers);
  // text[]
  Param(const std::vector<std::string>& texts);
  // bool[]
  Param(const std::vector<bool>& flags);
  // interval[]
  Param(const std::vector<Duration>& durations);
  // NOLINTEND(google-explicit-constructor)

  // bytea
  static Param Bytes(std::string_view bytes);

  uint32_t type() const { return type_; }
  const std::string& value() const { return value_; }

 private:
  explicit Param(uint32_t type) : type_(type) {}
  static Param Bigint(int64_t number);

  uint32_t type_;
  std::string value_;
};

using Params = std::vector<Param>;

}  // namespace vigil::pg
