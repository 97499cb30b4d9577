#include "linearizability/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/errors.h"

namespace vigil::linearizability {
namespace {

bool TellsAnEnd(const Event& event) {
  return event.kind == EventKind::kPodDied || event.kind == EventKind::kPodLeft;
}

constexpr std::string_view kStates[] = {"OWNED", "RELEASED", "COMPLETED", "QUARANTINED"};

std::string_view Name(WorkState state) { return kStates[static_cast<size_t>(state)]; }

}  // namespace

std::string_view Name(Operation operation) {
  switch (operation) {
    case Operation::kStart:
      return "Start";
    case Operation::kCheckpoint:
      return "Checkpoint";
    case Operation::kComplete:
      return "Complete";
    case Operation::kRelease:
      return "Release";
    case Operation::kFail:
      return "Fail";
    case Operation::kTransfer:
      return "Transfer";
    case Operation::kClaim:
      return "Claim";
    case Operation::kClaimOrphans:
      return "ClaimOrphans";
    case Operation::kGet:
      return "Get";
    case Operation::kDie:
      return "Die";
    case Operation::kLeave:
      return "Leave";
  }
  return "";
}

Item ItemFrom(const WorkItem& item) {
  return {.state = item.state,
          .owner = item.owner,
          .fence = item.fence,
          .orphan = item.orphan,
          .adoptions = item.adoptions,
          .payload = item.payload,
          .checkpoint = item.checkpoint,
          .result = item.result};
}

bool ChangesNothing(const Call& call, const Answer& answer) {
  if (call.operation == Operation::kGet) return true;
  return answer.word != "STARTED" && answer.word != "CLAIMED" && answer.word != "OK";
}

std::vector<Record> RecordsOf(const Record& call, const Answers& answers) {
  if (!answers) return {call};
  std::vector<Record> records;
  for (const Answered& answered : *answers) {
    records.push_back(call);
    records.back().call.key = answered.key;
    records.back().answer = answered.answer;
  }
  return records;
}

Answers TakeDown(const Call& call, const std::string& who, const Items& items, const Clock& clock,
                 std::vector<Record>& records) {
  Record record{.call = call, .who = who, .called = clock.Now()};
  Answers answers = items(call);
  record.answered = clock.Now();
  for (Record& one : RecordsOf(record, answers)) records.push_back(std::move(one));
  return answers;
}

std::vector<std::string> KeysOf(const History& history) {
  std::set<std::string> keys;
  for (const Record& record : history.records) {
    if (!record.call.key.empty()) keys.insert(record.call.key);
  }
  return {keys.begin(), keys.end()};
}

History OfKey(const History& history, const std::string& key) {
  std::set<Incarnation> concerned;
  for (const Record& record : history.records) {
    const bool everywhere = record.call.key.empty() && !IsEnd(record.call.operation);
    if (record.call.key != key && !everywhere) continue;
    concerned.insert({record.call.caller, record.call.expected_owner, record.call.receiver});
    if (record.answer && record.answer->item) concerned.insert(record.answer->item->owner);
  }
  History of_key;
  for (const Record& record : history.records) {
    const bool elsewhere = !record.call.key.empty() && record.call.key != key;
    const bool end = IsEnd(record.call.operation);
    if (elsewhere || (end && !concerned.contains(record.call.caller))) continue;
    of_key.records.push_back(record);
  }
  if (!history.log) return of_key;
  of_key.log.emplace();
  for (const Event& event : *history.log) {
    const bool end = TellsAnEnd(event) && concerned.contains(event.incarnation);
    if (event.work_key == key || end) of_key.log->push_back(event);
  }
  return of_key;
}

std::string Text(const Call& call) {
  std::string arguments = call.key.empty() ? "any" : call.key;
  if (call.expected_owner) arguments += fmt::format(", owner {}", call.expected_owner.value);
  if (call.fence) arguments += fmt::format(", fence {}", call.fence.value);
  if (call.receiver) arguments += fmt::format(", to {}", call.receiver.value);
  if (!call.text.empty()) arguments += fmt::format(", \"{}\"", call.text);
  if (IsEnd(call.operation)) arguments.clear();
  return fmt::format("{}({}) by {}", Name(call.operation), arguments, call.caller.value);
}

std::string Text(const Item& item) {
  return fmt::format("{}{}, owner {}, fence {}, adopted {} times, \"{}\", \"{}\", \"{}\"",
                     Name(item.state), item.orphan ? " orphan" : "", item.owner.value,
                     item.fence.value, item.adoptions, item.payload, item.checkpoint, item.result);
}

std::string Text(const Answer& answer) {
  if (!answer.item) return answer.word;
  const Item& item = *answer.item;
  if (answer.word == reason::kFenced || answer.word == reason::kOwnerAlive) {
    return fmt::format("{} (owner {}, fence {})", answer.word, item.owner.value, item.fence.value);
  }
  return fmt::format("{} ({})", answer.word, Text(item));
}

}  // namespace vigil::linearizability
