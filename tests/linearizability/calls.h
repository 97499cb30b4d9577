// What callers asked of work items and what they were answered, as a test recorded it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "core/types.h"

namespace vigil::linearizability {

enum class Operation {
  kStart,
  kCheckpoint,
  kComplete,
  kRelease,
  kFail,
  kTransfer,
  kClaim,
  kClaimOrphans,
  kGet,
  // The caller's incarnation ends.
  kDie,
  kLeave,
};
std::string_view Name(Operation operation);
constexpr bool IsEnd(Operation operation) {
  return operation == Operation::kDie || operation == Operation::kLeave;
}

struct Call {
  Operation operation = Operation::kGet;
  // Empty: it concerns every item.
  std::string key;
  Incarnation caller;
  // Of kClaim: what it expects.
  Incarnation expected_owner;
  Fence fence;
  // Of kTransfer: the pod that is to have it, whose name is the text.
  Incarnation receiver;
  // The payload, the checkpoint, the result, or the reason of a failure.
  std::string text;
};

// An item as an answer shows it. A refusal shows the owner and the fence alone.
struct Item {
  WorkState state = WorkState::kOwned;
  Incarnation owner;
  Fence fence;
  bool orphan = false;
  uint32_t adoptions = 0;
  std::string payload;
  std::string checkpoint;
  std::string result;
  bool operator==(const Item&) const = default;
};
Item ItemFrom(const WorkItem& item);

struct Answer {
  // The outcome or the reason of the refusal, in the words of the contract; OK where there is only
  // one outcome.
  std::string word;
  std::optional<Item> item = std::nullopt;
  bool operator==(const Answer&) const = default;
};

// Whether nothing was changed, whatever the item was.
bool ChangesNothing(const Call& call, const Answer& answer);

struct Record {
  Call call;
  // Who called, for people.
  std::string who;
  Instant called{};
  // Nothing when nobody knows what became of it: then it may have taken effect at any time after
  // the call, or never.
  std::optional<Answer> answer = std::nullopt;
  Instant answered{};
  // It may have been sent more than once. A refusal may then be that of a repetition, of a call
  // that had taken effect before; and what a transfer shows may be what came of it since.
  bool repeated = false;
};

// What a call brought: an answer for each item that it concerned. Nothing when nobody knows.
struct Answered {
  std::string key;
  Answer answer;
  // For later transfers.
  std::string owner_name = {};
};
using Answers = std::optional<std::vector<Answered>>;

// Whoever answers calls: a store, a cluster, or something worse.
using Items = std::function<Answers(const Call&)>;

// A call with its answers as records, each of which concerns one item or every item.
std::vector<Record> RecordsOf(const Record& call, const Answers& answers);

// Makes the call, and takes it down.
Answers TakeDown(const Call& call, const std::string& who, const Items& items, const Clock& clock,
                 std::vector<Record>& records);

struct History {
  std::vector<Record> records;
  // The log of the namespace from its beginning. Nothing when the calls are to be judged alone.
  std::optional<std::vector<Event>> log = std::nullopt;
};

// The keys of all items, in order.
std::vector<std::string> KeysOf(const History& history);

// What concerns this item: its calls, the ends of those who called or owned it, and what the log
// says of either.
History OfKey(const History& history, const std::string& key);

// For people: `Claim(a, owner 3, fence 2) by 4`.
std::string Text(const Call& call);
std::string Text(const Item& item);
std::string Text(const Answer& answer);

}  // namespace vigil::linearizability
