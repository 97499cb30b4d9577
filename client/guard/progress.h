// What a command that runs for long says about itself, a line at a time, on stderr.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

#include "vigil/boot_clock.h"

namespace vigil::client {

// For people "vigil: TEXT"; for programs one JSON object with `event`, `at_ns` (CLOCK_BOOTTIME,
// comparable between processes of one machine) and the fields of that event.
//
// Each line is one write, so that it is not torn by what the command writes there. Thread safety:
// any thread.
class Progress {
 public:
  using Fields = nlohmann::ordered_json;

  Progress(bool json, int fd) : json_(json), fd_(fd) {}

  void Say(std::string_view event, std::string_view text,
           const Fields& fields = Fields::object()) const;

 private:
  const bool json_;
  const int fd_;
};

// Nanoseconds since boot, as `at_ns` has them.
std::int64_t Nanoseconds(Time time);

}  // namespace vigil::client
