#include "screen.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace vigil {
namespace {

constexpr std::string_view kBold = "1";
constexpr std::string_view kGreen = "32";
constexpr std::string_view kRed = "1;31";
constexpr std::array<std::string_view, 5> kCast = {"36", "33", "35", "34", "32"};

bool WantsColours() {
  const char* refused = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0');
}

}  // namespace

std::string Shown(Duration duration) {
  const double ms = std::chrono::duration<double, std::milli>(duration).count();
  return ms < 1000 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.1f} s", ms / 1000);
}

Screen::Screen() : colours_(WantsColours()) {}

std::string Screen::Paint(std::string_view code, std::string_view text) const {
  return colours_ ? fmt::format("\033[{}m{}\033[0m", code, text) : std::string(text);
}

void Screen::Write(const std::string& line) const {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void Screen::Headline(std::string_view text) {
  std::lock_guard lock(mutex_);
  Write("\n" + Paint(kBold, text));
}

void Screen::Say(std::string_view text) {
  std::lock_guard lock(mutex_);
  Write(fmt::format("  {}", text));
}

void Screen::Speak(size_t who, std::string_view name, std::string_view text) {
  std::lock_guard lock(mutex_);
  Write(fmt::format("    {} {}", Paint(kCast[who % kCast.size()], fmt::format("{:>6} |", name)),
                    text));
}

void Screen::Done(std::string what) {
  std::lock_guard lock(mutex_);
  done_ = std::move(what);
}

void Screen::Check(bool held, std::string what, std::optional<Duration> after) {
  std::lock_guard lock(mutex_);
  const std::string shown = after ? Shown(*after) : "";
  Write(fmt::format("  {} {}{}", held ? Paint(kGreen, "ok:") : Paint(kRed, "FAILED:"), what,
                    after ? ", after " + shown : ""));
  rows_.push_back({done_, held, std::move(what), shown});
}

int Screen::Close() {
  std::lock_guard lock(mutex_);
  size_t done_width = 0;
  size_t what_width = 0;
  for (const Row& row : rows_) {
    done_width = std::max(done_width, row.done.size());
    what_width = std::max(what_width, row.what.size());
  }
  Write("\n" + Paint(kBold, "What happened"));
  long failed = 0;
  std::string before;
  for (const Row& row : rows_) {
    failed += row.held ? 0 : 1;
    // Padded before it is painted: a colour has no width.
    const std::string verdict = fmt::format("{:<6}", row.held ? "ok" : "FAILED");
    std::string line = fmt::format(
        "  {}  {:<{}}  {:<{}}  {:>8}", Paint(row.held ? kGreen : kRed, verdict),
        row.done == before ? "" : row.done, done_width, row.what, what_width, row.after);
    Write(line.erase(line.find_last_not_of(' ') + 1));
    before = row.done;
  }
  const auto passed = static_cast<long>(rows_.size()) - failed;
  Write(fmt::format("\ndemo: {} passed, {} failed", passed, failed));
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace vigil
