#include "linearizability/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/errors.h"

namespace vigil::linearizability {
namespace {

// What people read of a long order.
constexpr size_t kShown = 12;

// The instants at which something was answered, in order.
std::vector<Instant> AnswersOf(const History& history) {
  std::set<Instant> answers;
  for (const Record& record : history.records) {
    if (record.answer) answers.insert(record.answered);
  }
  return {answers.begin(), answers.end()};
}

// In milliseconds since the first call.
class Times {
 public:
  explicit Times(const History& history) {
    for (const Record& record : history.records) begin_ = std::min(begin_, record.called);
  }
  std::string Text(Instant at) const {
    return fmt::format("{:.3f}", std::chrono::duration<double, std::milli>(at - begin_).count());
  }
  std::string Text(const Record& record) const {
    const std::string answered = record.answer ? Text(record.answered) : "?";
    const std::string answer = record.answer ? linearizability::Text(*record.answer) : "not known";
    return fmt::format("[{}, {}] {}: {}: {}", Text(record.called), answered, record.who,
                       linearizability::Text(record.call), answer);
  }

 private:
  Instant begin_ = Instant::max();
};

std::string TextOf(const Event& event) {
  return fmt::format("{} by {} with fence {} from {}", Name(event.kind), event.incarnation.value,
                     event.fence.value, event.previous_owner.value);
}

// What the item would have answered instead.
std::string Otherwise(const Record& record, const Search::Longest& longest) {
  ItemModel item = longest.item;
  const Answer answer = item.Do(record.call);
  if (answer != *record.answer) return "it would be " + Text(answer);
  if (longest.next_event == nullptr) return "the log tells nothing more";
  return "the log tells next " + TextOf(*longest.next_event);
}

std::string Explain(const std::string& key, const Search& search, const Times& times) {
  const Search::Longest& longest = search.longest();
  std::string text = fmt::format(
      "item {}: no order of its calls explains its first {} answers; the longest one explains {}, "
      "and ends with\n",
      key, search.calls(), longest.explained);
  const size_t skipped = longest.order.size() > kShown ? longest.order.size() - kShown : 0;
  for (size_t i = skipped; i < longest.order.size(); ++i) {
    text += fmt::format("    {}\n", times.Text(*longest.order[i]));
  }
  const auto shown = longest.item.Shown();
  text += fmt::format("  Then the item is {}, and none of these comes next:\n",
                      shown ? Text(*shown) : "not there");
  for (const Record* record : longest.next) {
    text += fmt::format("    {}; {}\n", times.Text(*record), Otherwise(*record, longest));
  }
  if (longest.next.empty() && longest.next_event != nullptr) {
    text += fmt::format("    what the log tells next: {}\n", TextOf(*longest.next_event));
  }
  return text;
}

}  // namespace

Judgement Judge(const History& history, const std::string& key, size_t most) {
  const History of_key = OfKey(history, key);
  Search whole(of_key, Instant::max(), most);
  const Verdict verdict = whole.Run();
  Judgement judgement{.verdict = verdict, .looked_at = whole.looked_at(), .explanation = {}};
  if (verdict == Verdict::kLinearizable) return judgement;
  if (verdict == Verdict::kTooLarge) {
    judgement.explanation =
        fmt::format("item {}: {} answers are too many to be judged with {} configurations", key,
                    whole.calls(), most);
    return judgement;
  }
  // What a beginning contradicts, every longer one contradicts too.
  const Times times(of_key);
  const std::vector<Instant> answers = AnswersOf(of_key);
  const auto contradicted = std::ranges::partition_point(answers, [&](Instant until) {
    return Search(of_key, until, most).Run() != Verdict::kNotLinearizable;
  });
  if (contradicted == answers.end()) {
    judgement.explanation = Explain(key, whole, times);  // all of the log is not explained
    return judgement;
  }
  Search shortest(of_key, *contradicted, most);
  shortest.Run();
  judgement.explanation = Explain(key, shortest, times);
  return judgement;
}

std::vector<std::string> Contradictions(const History& history, size_t most) {
  std::vector<std::string> contradictions;
  for (const std::string& key : KeysOf(history)) {
    Judgement judgement = Judge(history, key, most);
    if (judgement.verdict == Verdict::kLinearizable) continue;
    contradictions.push_back(std::move(judgement.explanation));
  }
  return contradictions;
}

}  // namespace vigil::linearizability
