#include "guard/progress.h"

#include <unistd.h>

#include <string>

namespace vigil::client {

std::int64_t Nanoseconds(Time time) { return time.time_since_epoch().count(); }

void Progress::Say(std::string_view event, std::string_view text, const Fields& fields) const {
  std::string line;
  if (json_) {
    Fields object{{"event", event}, {"at_ns", Nanoseconds(BootClock::now())}};
    object.update(fields);
    line = object.dump(-1, ' ', false, Fields::error_handler_t::replace);
  } else {
    line = "vigil: " + std::string(text);
  }
  line += '\n';
  [[maybe_unused]] const ssize_t size = write(fd_, line.data(), line.size());
}

}  // namespace vigil::client
