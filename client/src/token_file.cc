#include "token_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "own_error.h"

namespace vigil::client {
namespace {

constexpr Duration kLookAgain = std::chrono::seconds(1);
constexpr std::size_t kLongest = 4096;

Result<std::string> Read(const std::string& name) {
  const auto invalid = [&](std::string_view why) {
    return tl::unexpected(MakeError(Code::kInvalidArgument, name + " " + std::string(why),
                                    "Have the file hold the token in one line, and nothing else."));
  };
  std::ifstream file(name);
  // Longer than any token with the end of its line: what is cut off there is refused.
  std::string text(kLongest + 3, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof()) {
    return invalid("cannot be read");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (text.empty() || text.size() > kLongest || !printable) return invalid("holds no token");
  return text;
}

}  // namespace

Result<void> TokenFile::Check(const std::string& name) {
  return Read(name).map([](const std::string&) {});
}

TokenFile::TokenFile(std::string name) : name_(std::move(name)) {}

std::string TokenFile::Token() {
  MutexLock lock(mutex_);
  const Time now = BootClock::now();
  if (now < next_look_) return token_;
  next_look_ = now + kLookAgain;
  if (auto read = Read(name_)) token_ = std::move(*read);
  return token_;
}

}  // namespace vigil::client
