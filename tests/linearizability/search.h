// The search for an order of calls in which one item, doing one after another, gives every answer
// that was given. After Wing and Gong, with a memory of what was tried before.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "linearizability/calls.h"
#include "linearizability/item_model.h"

namespace vigil::linearizability {

enum class Verdict { kLinearizable, kNotLinearizable, kTooLarge };

// Looks at one item's history, up to an instant: of what was answered later, nobody knows the
// answer yet, and what was called later is not looked at.
//
//  1. A call takes effect at one moment between its call and its answer: a call that was answered
//  before another one was made comes before it.
//  2. A call whose answer is not known comes at any time after it was made, or never.
//  3. A refusal of a call that may have been repeated can come after an effect of that same call,
//  and so can what a transfer shows.
//  4. With a log, what changes hands, is completed or ends does so in the order of the log, and
//  the log tells nothing else.
class Search {
 public:
  // `most` is how many configurations it looks at, which are what has taken effect, and what the
  // item is then.   (P11)
  Search(const History& of_key, Instant until, size_t most);

  Verdict Run();

  size_t looked_at() const { return seen_.size(); }
  // How many answers there were to explain.
  size_t calls() const { return answered_.size(); }

  // The longest order that explains its answers, with the item after it; and what else could have
  // come next, and would have been answered otherwise.
  struct Longest {
    size_t explained = 0;
    std::vector<const Record*> order;
    ItemModel item;
    std::vector<const Record*> next;
    const Event* next_event = nullptr;
  };
  const Longest& longest() const { return longest_; }

 private:
  // A call that need not take effect, and if it does, before that answer.
  struct Possible {
    const Record* record;
    std::optional<size_t> before;
  };
  // What comes next: one of the answered calls, or of the possible ones.
  struct Step {
    bool possible;
    size_t number;
    ItemModel after;
    size_t told;
  };
  struct Level {
    Step taken;
    // All answered calls before this one have their place.
    size_t first = 0;
    std::vector<Step> steps;
    size_t tried = 0;
  };

  void Begin(const Record& record, Instant until);
  bool Complete() const;
  // The answered calls that may come next: none of the others was answered before they were made.
  std::vector<size_t> Open(size_t first) const;
  std::vector<Step> StepsAfter(const Level& level) const;
  // Nothing when the log tells something else next.
  std::optional<size_t> Told(const ItemModel& after, size_t told) const;
  void Mark(const Step& step, bool placed);
  void Take(Step step);
  bool IsNew(const Level& level);
  void Remember(const Level& level);

  const std::vector<Event>* const log_;
  const bool whole_;
  const size_t most_;
  // By the time of their calls.
  std::vector<const Record*> answered_;
  std::vector<Possible> possible_;

  std::vector<bool> answered_placed_;
  std::vector<bool> possible_placed_;
  size_t placed_ = 0;
  std::vector<Level> levels_;
  std::unordered_set<std::string> seen_;
  Longest longest_;
};

}  // namespace vigil::linearizability
