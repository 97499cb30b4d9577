#include "access/lines.h"

#include <fmt/format.h>

#include <algorithm>

namespace vigil {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos || line[begin] == '#') return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

Failure Refuse(std::string message) {
  return Fail(Error{Code::kInvalidArgument,
                    "INTERNAL",
                    std::move(message),
                    "Correct the file; it is read again when it changes.",
                    {}});
}

}  // namespace

Result<void> ReadLines(
    std::string_view text,
    const std::function<std::string_view(const std::vector<std::string_view>&)>& take) {
  if (text.size() > kLargestFile) return Refuse("it is larger than 1 MiB");
  for (size_t number = 1; !text.empty(); ++number) {
    if (number > kMostLines) return Refuse(fmt::format("it has more than {} lines", kMostLines));
    const size_t end = std::min(text.find('\n'), text.size());
    const auto words = WordsOf(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (const std::string_view wrong = take(words); !wrong.empty()) {
      return Refuse(fmt::format("line {}: {}", number, wrong));
    }
  }
  return {};
}

bool IsIdentity(std::string_view word) {
  return !word.empty() && word.size() <= kLongestIdentity && word != "*" &&
         std::ranges::all_of(word, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace vigil
