// The one error type of the server, and the result that carries it.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace vigil {

// The canonical codes that Vigil uses, with gRPC's numbers.
enum class Code {
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

// What the environment or a caller did that keeps an operation from its end. A defect of ours is a
// failed check (check.h) and an expected outcome is a value; neither is an Error.
struct Error {
  Code code = Code::kInternal;
  // A constant in upper case that programs branch on; a value of ErrorReason in the contract,
  // without its prefix.
  std::string_view reason = "INTERNAL";
  // One sentence for people. Never a secret.
  std::string message;
  // What to do next, one sentence.
  std::string hint;
  std::vector<std::pair<std::string, std::string>> metadata;

  bool Is(std::string_view expected) const { return reason == expected; }
};

template <typename T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

inline Failure Fail(Error error) { return Failure(std::move(error)); }

}  // namespace vigil
