#include "linearizability/from_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vigil::linearizability {
namespace {

using nlohmann::json;

constexpr std::uint32_t kOrphansAtOnce = 2;
// So that none is quarantined.
constexpr std::uint32_t kMostAdoptions = 1'000'000;

constexpr client::Reason kRefusals[] = {
    client::Reason::kIncarnationEnded, client::Reason::kWorkNotFound,
    client::Reason::kFenced,           client::Reason::kOwnerAlive,
    client::Reason::kWorkCompleted,    client::Reason::kPodNotFound};

uint64_t NumberIn(const client::Error& error, const char* field) {
  uint64_t number = 0;
  const auto found = error.metadata.find(field);
  if (found == error.metadata.end()) return number;
  const std::string& text = found->second;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Answers Failed(const std::string& key, const client::Error& error) {
  if (std::ranges::find(kRefusals, error.reason) == std::end(kRefusals)) return std::nullopt;
  Answer answer{std::string(client::Name(error.reason))};
  if (error.reason == client::Reason::kFenced || error.reason == client::Reason::kOwnerAlive) {
    answer.item = Item{.owner = {NumberIn(error, "owner")}, .fence = {NumberIn(error, "fence")}};
  }
  return {{{key, std::move(answer)}}};
}

Item Shown(const client::WorkItem& item) {
  return {.state = static_cast<WorkState>(static_cast<int>(item.state) - 1),
          .owner = {item.owner.value()},
          .fence = {item.fence.value()},
          .orphan = item.orphan,
          .adoptions = item.adoptions,
          .payload = item.payload,
          .checkpoint = item.checkpoint,
          .result = item.result};
}

const client::WorkItem& ItemOf(const client::WorkItem& item) { return item; }
const client::WorkItem& ItemOf(const auto& outcome) { return outcome.item; }

std::string_view WordOf(const client::WorkItem&) { return "OK"; }
std::string_view WordOf(const auto& outcome) { return client::Name(outcome.outcome); }

template <class T>
Answers AnswersOf(const std::string& key, const client::Result<T>& result) {
  if (!result) return Failed(key, result.error());
  const client::WorkItem& item = ItemOf(*result);
  return {{{key, {std::string(WordOf(*result)), Shown(item)}, item.owner_name}}};
}

Answers AnswersOf(const client::Result<std::vector<client::WorkItem>>& result) {
  if (!result) return Failed("", result.error());
  std::vector<Answered> answers;
  for (const auto& item : *result) {
    answers.push_back({item.key, {"CLAIMED", Shown(item)}, item.owner_name});
  }
  return answers;
}

json ToJson(const Item& item) {
  return {{"state", static_cast<int>(item.state)},
          {"owner", item.owner.value},
          {"fence", item.fence.value},
          {"orphan", item.orphan},
          {"adoptions", item.adoptions},
          {"payload", item.payload},
          {"checkpoint", item.checkpoint},
          {"result", item.result}};
}

uint64_t NumberAt(const json& object, const char* field) {
  return object.at(field).get<uint64_t>();
}

std::string TextAt(const json& object, const char* field) {
  return object.at(field).get<std::string>();
}

Item ItemFrom(const json& object) {
  return {.state = static_cast<WorkState>(NumberAt(object, "state")),
          .owner = {NumberAt(object, "owner")},
          .fence = {NumberAt(object, "fence")},
          .orphan = object.at("orphan").get<bool>(),
          .adoptions = static_cast<uint32_t>(NumberAt(object, "adoptions")),
          .payload = TextAt(object, "payload"),
          .checkpoint = TextAt(object, "checkpoint"),
          .result = TextAt(object, "result")};
}

}  // namespace

Answers Ask(const client::Work& work, const Call& call) {
  const client::Incarnation caller(call.caller.value);
  const client::Fence fence(call.fence.value);
  switch (call.operation) {
    case Operation::kStart:
      return AnswersOf(call.key,
                       work.Start(caller, call.key, call.text, {.max_adoptions = kMostAdoptions}));
    case Operation::kCheckpoint:
      return AnswersOf(call.key, work.Checkpoint(caller, call.key, fence, call.text));
    case Operation::kComplete:
      return AnswersOf(call.key, work.Complete(caller, call.key, fence, call.text));
    case Operation::kRelease:
      return AnswersOf(call.key, work.Release(caller, call.key, fence));
    case Operation::kFail:
      return AnswersOf(call.key, work.Fail(caller, call.key, fence, call.text));
    case Operation::kTransfer:
      return AnswersOf(call.key, work.Transfer(caller, call.key, fence, call.text));
    case Operation::kClaim:
      return AnswersOf(call.key, work.Claim(caller, call.key,
                                            client::Incarnation(call.expected_owner.value), fence));
    case Operation::kClaimOrphans:
      return AnswersOf(work.ClaimOrphans(caller, kOrphansAtOnce));
    case Operation::kGet:
      return AnswersOf(call.key, work.Get(call.key));
    case Operation::kDie:
    case Operation::kLeave:
      break;
  }
  return Answers(std::in_place);
}

json ToJson(const Call& call) {
  return {{"operation", static_cast<int>(call.operation)},
          {"key", call.key},
          {"caller", call.caller.value},
          {"expected_owner", call.expected_owner.value},
          {"fence", call.fence.value},
          {"receiver", call.receiver.value},
          {"text", call.text}};
}

Call CallFrom(const json& object) {
  return {.operation = static_cast<Operation>(NumberAt(object, "operation")),
          .key = TextAt(object, "key"),
          .caller = {NumberAt(object, "caller")},
          .expected_owner = {NumberAt(object, "expected_owner")},
          .fence = {NumberAt(object, "fence")},
          .receiver = {NumberAt(object, "receiver")},
          .text = TextAt(object, "text")};
}

json ToJson(const Answers& answers) {
  if (!answers) return {{"answers", nullptr}};
  json array = json::array();
  for (const auto& [key, answer, owner_name] : *answers) {
    json one{{"key", key}, {"word", answer.word}};
    if (answer.item) one["item"] = ToJson(*answer.item);
    array.push_back(std::move(one));
  }
  return {{"answers", std::move(array)}};
}

Answers AnswersFrom(const json& object) {
  const json& array = object.at("answers");
  if (array.is_null()) return std::nullopt;
  std::vector<Answered> answers;
  for (const json& one : array) {
    Answer answer{TextAt(one, "word")};
    if (one.contains("item")) answer.item = ItemFrom(one.at("item"));
    answers.push_back({TextAt(one, "key"), std::move(answer)});
  }
  return answers;
}

}  // namespace vigil::linearizability
