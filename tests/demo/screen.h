// What the audience sees.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace vigil {

// Milliseconds with one decimal, or seconds: "4.7 ms", "2.3 s".
std::string Shown(Duration duration);

// Writes to standard output; in colour when that is a terminal and NO_COLOR is not set. Keeps the
// checks, and shows them all at the end.
//
// Thread safety: everything may be called from any thread.
class Screen {
 public:
  Screen();

  // A new act.
  void Headline(std::string_view text);
  // A sentence of the narrator's.
  void Say(std::string_view text);
  // What one of the cast says; each has a colour.
  void Speak(size_t who, std::string_view name, std::string_view text);

  // What was done follows all checks until the next one.
  void Done(std::string what);
  void Check(bool held, std::string what, std::optional<Duration> after = std::nullopt);

  // The table of all checks and the last line. The exit code: 0 when every check held and there was
  // one.
  int Close();

 private:
  struct Row {
    std::string done;
    bool held = false;
    std::string what;
    std::string after;
  };

  std::string Paint(std::string_view code, std::string_view text) const;
  void Write(const std::string& line) const;

  const bool colours_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::string done_;
  std::vector<Row> rows_;
};

}  // namespace vigil
