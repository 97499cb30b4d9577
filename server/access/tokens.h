// Who is known by which token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "access/digest.h"
#include "base/error.h"

namespace vigil {

// The lines `IDENTITY TOKEN` of a file. An identity may have several tokens, so that one can be
// replaced while both are good. Keeps no token, only digests.
class Tokens {
 public:
  // Error INVALID_ARGUMENT, which names the line and never a token: other than two words, an
  // identity that is none, a token of other than 16 to 4096 printable characters of ASCII, or one
  // that another line gives to somebody else.
  static Result<Tokens> Parse(std::string_view text);

  // Null when nobody has it.
  const std::string* IdentityOf(const Digest& token) const;

  size_t size() const { return owners_.size(); }

 private:
  struct Owner {
    Digest token;
    std::string identity;
  };

  // By the first bytes of the digest: who guesses a token cannot choose those of its digest.
  std::unordered_multimap<uint64_t, Owner> owners_;
};

}  // namespace vigil
