#include "linearizability/search.h"

#include <algorithm>
#include <cstdint>

namespace vigil::linearizability {
namespace {

void AddNumber(std::string& key, uint64_t number) {
  for (; number >= 128; number /= 128) key += static_cast<char>(number % 128 + 128);
  key += static_cast<char>(number);
}

void AddText(std::string& key, const std::string& text) {
  AddNumber(key, text.size());
  key += text;
}

void AddItem(std::string& key, const std::optional<Item>& item) {
  if (!item) return;
  AddNumber(key, static_cast<uint64_t>(item->state));
  AddNumber(key, item->owner.value);
  AddNumber(key, item->fence.value);
  AddNumber(key, item->adoptions);
  AddText(key, item->payload);
  AddText(key, item->checkpoint);
  AddText(key, item->result);
}

// From `first` to the last one that is set.
void AddPlaces(std::string& key, const std::vector<bool>& placed, size_t first) {
  size_t end = placed.size();
  while (end > first && !placed[end - 1]) --end;
  AddNumber(key, first);
  AddNumber(key, end);
  for (size_t i = first; i < end; i += 7) {
    uint64_t bits = 0;
    for (size_t bit = 0; bit < 7 && i + bit < end; ++bit) {
      if (placed[i + bit]) bits |= uint64_t{1} << bit;
    }
    AddNumber(key, bits);
  }
}

bool Tells(const Event& event, const Event& told) {
  return event.kind == told.kind && event.incarnation == told.incarnation &&
         event.fence == told.fence && event.previous_owner == told.previous_owner;
}

}  // namespace

Search::Search(const History& of_key, Instant until, size_t most)
    : log_(of_key.log ? &*of_key.log : nullptr), whole_(until == Instant::max()), most_(most) {
  std::vector<const Record*> records;
  for (const Record& record : of_key.records) records.push_back(&record);
  std::ranges::stable_sort(records, {}, &Record::called);
  for (const Record* record : records) Begin(*record, until);
  answered_placed_.resize(answered_.size());
  possible_placed_.resize(possible_.size());
}

void Search::Begin(const Record& record, Instant until) {
  if (record.called > until) return;
  const bool known = record.answer && record.answered <= until;
  if (known) answered_.push_back(&record);
  if (record.call.operation == Operation::kGet) return;
  const bool came_before = known && (ChangesNothing(record.call, *record.answer) ||
                                     record.call.operation == Operation::kTransfer);
  if (!known) {
    possible_.push_back({&record, std::nullopt});
  } else if (came_before && record.repeated) {
    possible_.push_back({&record, answered_.size() - 1});
  }
}

bool Search::Complete() const {
  if (placed_ < answered_.size()) return false;
  return !whole_ || log_ == nullptr || levels_.back().taken.told == log_->size();
}

std::vector<size_t> Search::Open(size_t first) const {
  std::vector<size_t> open;
  Instant first_answer = Instant::max();
  for (size_t i = first; i < answered_.size() && answered_[i]->called <= first_answer; ++i) {
    if (answered_placed_[i]) continue;
    open.push_back(i);
    first_answer = std::min(first_answer, answered_[i]->answered);
  }
  std::erase_if(open, [&](size_t i) { return answered_[i]->called > first_answer; });
  // The most likely order first.
  std::ranges::stable_sort(open, {}, [&](size_t i) { return answered_[i]->answered; });
  return open;
}

std::optional<size_t> Search::Told(const ItemModel& after, size_t told) const {
  if (log_ == nullptr || !after.told()) return told;
  if (told == log_->size() || !Tells((*log_)[told], *after.told())) return std::nullopt;
  return told + 1;
}

std::vector<Search::Step> Search::StepsAfter(const Level& level) const {
  std::vector<Step> steps;
  const std::vector<size_t> open = Open(level.first);
  Instant first_answer = Instant::max();
  for (const size_t i : open) {
    const Record& record = *answered_[i];
    first_answer = std::min(first_answer, record.answered);
    ItemModel after = level.taken.after;
    if (!after.Do(record.call, *record.answer)) continue;
    const auto told = Told(after, level.taken.told);
    if (!told) continue;
    Step step{.possible = false, .number = i, .after = std::move(after), .told = *told};
    // What changes nothing can only be in the way later: no other choice is better.
    if (ChangesNothing(record.call, *record.answer)) return {std::move(step)};
    steps.push_back(std::move(step));
  }
  for (size_t i = 0; i < possible_.size(); ++i) {
    const auto& [record, before] = possible_[i];
    if (record->called > first_answer) break;
    if (possible_placed_[i] || (before && answered_placed_[*before])) continue;
    ItemModel after = level.taken.after;
    after.Do(record->call);
    // Without an effect it is as good as never.
    if (after.SameAs(level.taken.after)) continue;
    const auto told = Told(after, level.taken.told);
    if (told) steps.push_back({true, i, std::move(after), *told});
  }
  return steps;
}

void Search::Mark(const Step& step, bool placed) {
  if (step.possible) {
    possible_placed_[step.number] = placed;
    return;
  }
  answered_placed_[step.number] = placed;
  placed_ += placed ? 1 : -1;
}

// What the item is follows from what has taken effect, and in which order; who has ended, and what
// the log has told, from what has taken effect alone.
bool Search::IsNew(const Level& level) {
  std::string key;
  AddPlaces(key, answered_placed_, level.first);
  AddPlaces(key, possible_placed_, 0);
  AddItem(key, level.taken.after.Shown());
  return seen_.insert(std::move(key)).second;
}

void Search::Remember(const Level& level) {
  if (placed_ < longest_.explained || (placed_ == longest_.explained && placed_ > 0)) return;
  longest_ = {.explained = placed_, .order = {}, .item = level.taken.after, .next = {}};
  for (size_t i = 1; i < levels_.size(); ++i) {
    const Step& step = levels_[i].taken;
    longest_.order.push_back(step.possible ? possible_[step.number].record
                                           : answered_[step.number]);
  }
  for (const size_t i : Open(level.first)) longest_.next.push_back(answered_[i]);
  const size_t told = level.taken.told;
  if (log_ != nullptr && told < log_->size()) longest_.next_event = &(*log_)[told];
}

void Search::Take(Step step) {
  const bool first = levels_.empty();
  if (!first) Mark(step, true);
  Level level{.taken = std::move(step), .first = first ? 0 : levels_.back().first};
  while (level.first < answered_.size() && answered_placed_[level.first]) ++level.first;
  if (!IsNew(level)) {
    Mark(level.taken, false);
    return;
  }
  level.steps = StepsAfter(level);
  levels_.push_back(std::move(level));
  if (levels_.back().steps.empty()) Remember(levels_.back());
}

Verdict Search::Run() {
  Take({.possible = false, .number = 0, .after = {}, .told = 0});
  while (!levels_.empty()) {
    if (Complete()) return Verdict::kLinearizable;
    if (seen_.size() > most_) return Verdict::kTooLarge;
    Level& level = levels_.back();
    if (level.tried < level.steps.size()) {
      Take(std::move(level.steps[level.tried++]));
      continue;
    }
    if (levels_.size() > 1) Mark(level.taken, false);
    levels_.pop_back();
  }
  return Verdict::kNotLinearizable;
}

}  // namespace vigil::linearizability
