// The forms and bounds of what callers send. Every error is INVALID_FIELD and names the field.
// (P11)
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/types.h"

namespace vigil {

inline constexpr size_t kLargestPayload = 64 * 1024;
// What the payloads, checkpoints and results of the items in one answer may amount to, unless it is
// one item's alone.
inline constexpr size_t kLargestAnswer = 1 << 20;

// How often an item may be adopted, and how long it waits for the name of its owner, unless whoever
// starts it says so.
inline constexpr uint32_t kDefaultAdoptions = 5;
inline constexpr Duration kDefaultStickyWait = std::chrono::seconds(30);

Result<void> CheckNamespace(std::string_view ns);
Result<void> CheckPodName(std::string_view name, std::string_view field = "name");
Result<void> CheckRegistrationId(std::string_view id);
Result<void> CheckSessionToken(std::string_view token);
// Of a key that is given.
Result<void> CheckSupersedeKey(std::string_view key);
Result<void> CheckLease(Duration lease);
Result<void> CheckLabels(const std::map<std::string, std::string>& labels,
                         std::string_view field = "labels");
Result<void> CheckWorkKey(std::string_view key);
Result<void> CheckPayload(std::string_view field, std::string_view payload);
// With the defaults filled in.
Result<void> CheckTraits(const WorkTraits& traits);
Result<void> CheckKinds(const std::vector<std::string>& kinds);
// It may be empty.
Result<void> CheckRequestId(std::string_view id);
// Why an item could not be done.
Result<void> CheckReason(std::string_view reason);

// Numbers of the database are from 1 to 2^63 - 1.
Result<void> CheckCheckpointNumber(uint64_t number);
Result<void> CheckIncarnation(std::string_view field, uint64_t incarnation);
Result<void> CheckFence(std::string_view field, uint64_t fence);

}  // namespace vigil
