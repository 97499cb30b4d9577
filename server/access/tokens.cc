#include "access/tokens.h"

#include <algorithm>
#include <cstring>

#include "access/lines.h"

namespace vigil {
namespace {

constexpr size_t kShortest = 16;
constexpr size_t kLongest = 4096;

uint64_t KeyOf(const Digest& digest) {
  uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

bool IsToken(std::string_view word) {
  return word.size() >= kShortest && word.size() <= kLongest &&
         std::ranges::all_of(word, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<Tokens> Tokens::Parse(std::string_view text) {
  Tokens tokens;
  auto read = ReadLines(text, [&](const std::vector<std::string_view>& words) -> std::string_view {
    if (words.size() != 2) return "a line is an identity and a token";
    if (!IsIdentity(words[0])) return "an identity has 1 to 512 printable characters, and is not *";
    if (!IsToken(words[1])) return "a token has 16 to 4096 printable characters";
    const Digest digest = DigestOf(words[1]);
    if (const std::string* owner = tokens.IdentityOf(digest)) {
      return *owner == words[0] ? "the same line is there twice" : "somebody else has this token";
    }
    tokens.owners_.emplace(KeyOf(digest), Owner{digest, std::string(words[0])});
    return "";
  });
  if (!read) return Fail(std::move(read.error()));
  return tokens;
}

const std::string* Tokens::IdentityOf(const Digest& token) const {
  const auto [first, last] = owners_.equal_range(KeyOf(token));
  for (auto it = first; it != last; ++it) {
    if (Equal(it->second.token, token)) return &it->second.identity;
  }
  return nullptr;
}

}  // namespace vigil
