#include "core/validate.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/errors.h"
#include "core/timing.h"

namespace vigil {
namespace {

constexpr Duration kShortestStickyWait = std::chrono::seconds(1);
constexpr Duration kLongestStickyWait = std::chrono::hours(24);
constexpr uint32_t kMostAdoptions = 1'000'000;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char c) { return IsLower(c) || IsUpper(c) || IsDigit(c); }

bool IsNumber(uint64_t value) {
  return value >= 1 && value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
}

bool IsSecret(std::string_view text) {
  return text.size() >= 16 && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-'; });
}

// What a namespace and a kind are.
bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

// True for well-formed UTF-8 without control characters: what Postgres takes as text and a terminal
// shows as it is.
bool IsPlainText(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x20 || lead == 0x7f) return false;
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (length > 1 && (lead < 0xc2 || lead > 0xf4 || i + length > text.size())) return false;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    const bool c1_control = point >= 0x80 && point < 0xa0;
    if (overlong || surrogate || c1_control || point > 0x10ffff) return false;
    i += length;
  }
  return true;
}

}  // namespace

Result<void> CheckNamespace(std::string_view ns) {
  if (IsWord(ns)) return {};
  return Fail(InvalidField("namespace", "must be 1 to 63 of a-z, 0-9 and '-', not at an end"));
}

Result<void> CheckPodName(std::string_view name, std::string_view field) {
  const bool formed = !name.empty() && name.size() <= 253 && IsAlphanumeric(name.front()) &&
                      IsAlphanumeric(name.back()) &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.';
                      });
  if (formed) return {};
  return Fail(InvalidField(
      field,
      "must be 1 to 253 letters, digits, '-', '_' and '.', with a letter or digit at both ends"));
}

Result<void> CheckRegistrationId(std::string_view id) {
  if (IsSecret(id)) return {};
  return Fail(InvalidField("registration_id", "must be 16 to 64 random letters, digits and '-'"));
}

Result<void> CheckSessionToken(std::string_view token) {
  if (!token.empty() && token.size() <= 128 && IsPlainText(token)) return {};
  return Fail(InvalidField("session_token", "must be the token that Registered returned"));
}

Result<void> CheckSupersedeKey(std::string_view key) {
  if (IsSecret(key)) return {};
  return Fail(InvalidField("supersede_key",
                           "must be absent, or 16 to 64 letters, digits and '-' that nobody can "
                           "guess"));
}

Result<void> CheckLease(Duration lease) {
  if (lease >= kShortestLease && lease <= kLongestLease) return {};
  return Fail(InvalidField("lease", "must be from 0.5 s to 60 s"));
}

Result<void> CheckLabels(const std::map<std::string, std::string>& labels, std::string_view field) {
  if (labels.size() > 32) return Fail(InvalidField(field, "must be at most 32"));
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > 63 || value.size() > 255) {
      return Fail(InvalidField(field, "keys must have 1 to 63 bytes, values at most 255"));
    }
    if (!IsPlainText(key) || !IsPlainText(value)) {
      return Fail(InvalidField(field, "must be UTF-8 without control characters"));
    }
  }
  return {};
}

Result<void> CheckWorkKey(std::string_view key) {
  if (!key.empty() && key.size() <= 512 && IsPlainText(key)) return {};
  return Fail(InvalidField("key", "must be 1 to 512 bytes of UTF-8 without control characters"));
}

Result<void> CheckPayload(std::string_view field, std::string_view payload) {
  if (payload.size() <= kLargestPayload) return {};
  return Fail(InvalidField(field, "must be at most 65536 bytes"));
}

Result<void> CheckTraits(const WorkTraits& traits) {
  if (!traits.kind.empty() && !IsWord(traits.kind)) {
    return Fail(InvalidField("kind", "must be at most 63 of a-z, 0-9 and '-', not at an end"));
  }
  if (auto checked = CheckLabels(traits.labels); !checked) return checked;
  if (auto checked = CheckLabels(traits.selector, "selector"); !checked) return checked;
  if (!traits.selector.empty() && traits.policy != RecoveryPolicy::kAssign) {
    return Fail(InvalidField("selector", "must be empty, unless the policy is ASSIGN"));
  }
  // Not every pod can do every work.
  if (traits.selector.empty() && traits.policy == RecoveryPolicy::kAssign) {
    return Fail(InvalidField("selector", "must have a label, since the policy is ASSIGN"));
  }
  const bool sticky = traits.policy == RecoveryPolicy::kSticky;
  if (!sticky && traits.sticky_wait != Duration::zero()) {
    return Fail(InvalidField("sticky_wait", "must be absent, unless the policy is STICKY"));
  }
  if (sticky &&
      (traits.sticky_wait < kShortestStickyWait || traits.sticky_wait > kLongestStickyWait)) {
    return Fail(InvalidField("sticky_wait", "must be from 1 s to 24 h"));
  }
  if (traits.max_adoptions < 1 || traits.max_adoptions > kMostAdoptions) {
    return Fail(InvalidField("max_adoptions", "must be at most 1000000"));
  }
  return {};
}

Result<void> CheckKinds(const std::vector<std::string>& kinds) {
  if (kinds.size() <= 32 && std::ranges::all_of(kinds, IsWord)) return {};
  return Fail(
      InvalidField("kinds", "must be at most 32, of 1 to 63 of a-z, 0-9 and '-', not at an end"));
}

Result<void> CheckRequestId(std::string_view id) {
  if (id.size() <= 64 && std::ranges::all_of(id, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return {};
  }
  return Fail(InvalidField("request_id",
                           "must be at most 64 printable characters of ASCII without a space"));
}

Result<void> CheckReason(std::string_view reason) {
  if (!reason.empty() && reason.size() <= 512 && IsPlainText(reason)) return {};
  return Fail(InvalidField("reason", "must be 1 to 512 bytes of UTF-8 without control characters"));
}

Result<void> CheckCheckpointNumber(uint64_t number) {
  if (number == 0 || IsNumber(number)) return {};
  return Fail(InvalidField("number", "must be at most 2^63-1"));
}

Result<void> CheckIncarnation(std::string_view field, uint64_t incarnation) {
  if (IsNumber(incarnation)) return {};
  return Fail(InvalidField(field, "must be the number of an incarnation, from 1 to 2^63-1"));
}

Result<void> CheckFence(std::string_view field, uint64_t fence) {
  if (IsNumber(fence)) return {};
  return Fail(InvalidField(field, "must be a fence as it was received, from 1 to 2^63-1"));
}

}  // namespace vigil
