#include "linearizability/from_store.h"

#include <charconv>
#include <utility>

#include "core/errors.h"

namespace vigil::linearizability {
namespace {

constexpr uint32_t kOrphansAtOnce = 2;
// So that none is quarantined.
constexpr uint32_t kMostAdoptions = 1'000'000;

uint64_t NumberIn(const Error& error, std::string_view field) {
  uint64_t number = 0;
  for (const auto& [name, value] : error.metadata) {
    if (name == field) std::from_chars(value.data(), value.data() + value.size(), number);
  }
  return number;
}

Answer RefusalFrom(const Error& error) {
  Answer answer{std::string(error.reason)};
  if (error.Is(reason::kFenced) || error.Is(reason::kOwnerAlive)) {
    answer.item = Item{.owner = {NumberIn(error, "owner")}, .fence = {NumberIn(error, "fence")}};
  }
  return answer;
}

std::string_view WordOf(const WorkItem&) { return "OK"; }

std::string_view WordOf(const StartedWork& started) {
  constexpr std::string_view kWords[] = {"STARTED",   "OWNED",    "ORPHANED",
                                         "COMPLETED", "RELEASED", "QUARANTINED"};
  return kWords[static_cast<size_t>(started.outcome)];
}

std::string_view WordOf(const ClaimedWork& claimed) {
  constexpr std::string_view kWords[] = {"CLAIMED", "LOST", "RESERVED", "QUARANTINED"};
  return kWords[static_cast<size_t>(claimed.outcome)];
}

const WorkItem& ItemOf(const WorkItem& item) { return item; }
const WorkItem& ItemOf(const auto& outcome) { return outcome.item; }

Answers Failed(const std::string& key, const Error& error) {
  if (error.Is(reason::kOutcomeUnknown)) return std::nullopt;
  if (error.Is(reason::kDatabaseUnavailable)) return Answers(std::in_place);
  return {{{key, RefusalFrom(error)}}};
}

template <typename T>
Answers AnswersFrom(const std::string& key, const Result<T>& result) {
  if (!result) return Failed(key, result.error());
  const WorkItem& item = ItemOf(*result);
  return {{{key, {std::string(WordOf(*result)), ItemFrom(item)}, item.owner_name}}};
}

Answers AnswersFrom(const Result<std::vector<WorkItem>>& result) {
  if (!result) return Failed("", result.error());
  std::vector<Answered> answers;
  for (const WorkItem& item : *result) {
    answers.push_back({item.key, {"CLAIMED", ItemFrom(item)}, item.owner_name});
  }
  return answers;
}

}  // namespace

Answers Ask(Store& store, const std::string& ns, const Call& call) {
  const WorkHolder holder{ns, call.key, call.caller, call.fence};
  switch (call.operation) {
    case Operation::kStart:
      return AnswersFrom(call.key, store.StartWork({.ns = ns,
                                                    .key = call.key,
                                                    .starter = call.caller,
                                                    .payload = call.text,
                                                    .traits = {.max_adoptions = kMostAdoptions},
                                                    .request_id = {}}));
    case Operation::kCheckpoint:
      return AnswersFrom(call.key, store.CheckpointWork(holder, call.text, {}));
    case Operation::kComplete:
      return AnswersFrom(call.key, store.CompleteWork(holder, call.text));
    case Operation::kRelease:
      return AnswersFrom(call.key, store.ReleaseWork(holder));
    case Operation::kFail:
      return AnswersFrom(call.key, store.FailWork(holder, call.text));
    case Operation::kTransfer:
      return AnswersFrom(call.key, store.TransferWork(holder, call.text));
    case Operation::kClaim:
      return AnswersFrom(call.key, store.ClaimWork({.ns = ns,
                                                    .key = call.key,
                                                    .claimant = call.caller,
                                                    .expected_owner = call.expected_owner,
                                                    .expected_fence = call.fence}));
    case Operation::kClaimOrphans:
      return AnswersFrom(store.ClaimOrphans({.ns = ns,
                                             .claimant = call.caller,
                                             .limit = kOrphansAtOnce,
                                             .choice = {},
                                             .request_id = {}}));
    case Operation::kGet:
      return AnswersFrom(call.key, store.GetWork(ns, call.key));
    case Operation::kDie:
    case Operation::kLeave:
      break;
  }
  return Answers(std::in_place);
}

}  // namespace vigil::linearizability
