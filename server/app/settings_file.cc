#include "app/settings_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/read_file.h"

namespace vigil {
namespace {

constexpr size_t kLargestFile = 64 * 1024;
constexpr std::string_view kBlanks = " \t\r";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string_view Unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 40 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

Failure Refuse(std::string message) {
  return Fail(
      Error{Code::kInvalidArgument,
            "INTERNAL",
            std::move(message),
            "Correct the file of --config: a line `name = value` for each setting, with the "
            "name of its flag without the dashes.",
            {}});
}

class Reader {
 public:
  Reader(const std::function<bool(std::string_view)>& given, Config& config)
      : given_(given), config_(config) {}

  // What is wrong with the line; empty when nothing is.
  std::string Take(std::string_view line) {
    line = Trimmed(line);
    if (line.empty() || line.front() == '#') return "";
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return "this is no line `name = value`";
    const std::string name(Trimmed(line.substr(0, equals)));
    const auto setting = std::ranges::find(Settings(), name, &Setting::name);
    if (setting == Settings().end()) {
      // A connection string that lost its name may be a secret.
      return IsName(name) ? fmt::format("there is no setting {}", name)
                          : "this is no line `name = value`";
    }
    if (!seen_.insert(name).second) return fmt::format("{} stands here for the second time", name);
    const std::string value(Unquoted(Trimmed(line.substr(equals + 1))));
    Config scratch;
    const std::string expected = setting->read(given_(name) ? scratch : config_, value);
    if (expected.empty()) return "";
    return fmt::format("{} is not {}", name, expected);
  }

 private:
  const std::function<bool(std::string_view)>& given_;
  Config& config_;
  std::set<std::string> seen_;
};

}  // namespace

Result<void> ReadSettingsFile(const std::string& path,
                              const std::function<bool(std::string_view name)>& given,
                              Config& config) {
  const auto text = ReadFile(path, kLargestFile);
  if (!text) return Refuse(fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  if (text->size() > kLargestFile) return Refuse(fmt::format("{} is larger than 64 KiB", path));

  Reader reader(given, config);
  std::string_view rest = *text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string wrong = reader.Take(rest.substr(0, end));
    if (!wrong.empty()) return Refuse(fmt::format("{} line {}: {}", path, number, wrong));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

}  // namespace vigil
