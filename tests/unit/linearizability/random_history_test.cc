// Histories by chance: what callers of one item were answered passes, and most changes of one
// answer are found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "core/errors.h"
#include "linearizability/checker.h"
#include "linearizability/mutants.h"
#include "linearizability/random_caller.h"

namespace vigil::linearizability {
namespace {

using ::testing::IsEmpty;

constexpr uint32_t kCallers = 8;
constexpr int kSteps = 600;
constexpr uint32_t kSeeds = 150;

Items Right(Items items) { return items; }

// Callers at work, each of whose calls takes effect at a moment of its own between the call and the
// answer; some are never answered, and take effect late or never. Time counts the steps.
class SimulatedCallers {
 public:
  explicit SimulatedCallers(uint32_t seed, const std::function<Items(Items)>& mutant = Right)
      : random_(seed), items_(mutant([this](const Call& call) { return Do(call); })) {
    for (uint32_t i = 0; i < kCallers; ++i) {
      callers_.push_back({.random = RandomCaller({.seed = seed * kCallers + i})});
      callers_.back().random.Become({++incarnations_});
    }
  }

  History Run() {
    history_.log.emplace();
    for (int step = 0; step < kSteps; ++step) {
      ++now_;
      if (OneIn(60)) End();
      if (OneIn(10)) TakeEffectLate();
      Step(callers_[random_() % callers_.size()]);
    }
    for (const Caller& caller : callers_) {
      if (caller.record) history_.records.push_back(*caller.record);
    }
    return std::move(history_);
  }

 private:
  struct Caller {
    RandomCaller random;
    // Of the call that is under way.
    std::optional<Record> record = std::nullopt;
    std::optional<Answers> answers = std::nullopt;
  };

  bool OneIn(uint32_t many) { return random_() % many == 0; }

  void Step(Caller& caller) {
    if (!caller.record) {
      if (caller.random.ended()) caller.random.Become({++incarnations_});
      caller.record = Record{.call = caller.random.Next(), .who = "a caller", .called = Now()};
      return;
    }
    if (!caller.answers && OneIn(20)) {  // nobody will know
      history_.records.push_back(*caller.record);
      if (OneIn(2)) late_.push_back(caller.record->call);
      caller.record.reset();
      return;
    }
    if (!caller.answers) {
      caller.answers = items_(caller.record->call);
      return;
    }
    caller.record->answered = Now();
    for (Record& record : RecordsOf(*caller.record, *caller.answers)) {
      history_.records.push_back(std::move(record));
    }
    caller.random.Learn(*caller.answers);
    caller.record.reset();
    caller.answers.reset();
  }

  void TakeEffectLate() {
    if (late_.empty()) return;
    items_(late_.front());
    late_.pop_front();
  }

  void End() {
    const Call end{.operation = OneIn(4) ? Operation::kLeave : Operation::kDie,
                   .caller = callers_[random_() % callers_.size()].random.self()};
    if (!ended_.insert(end.caller).second) return;
    Record record{.call = end, .who = "the coordinator", .called = Now(), .answer = Answer{"OK"}};
    Do(end);
    ++now_;
    record.answered = Now();
    history_.records.push_back(record);
  }

  // The items themselves.
  Answers Do(const Call& call) {
    if (IsEnd(call.operation)) {
      models_.try_emplace("none yet");
      for (auto& [key, model] : models_) model.Do(call);
      Event& event = history_.log->emplace_back();
      const bool died = call.operation == Operation::kDie;
      event.kind = died ? EventKind::kPodDied : EventKind::kPodLeft;
      event.incarnation = call.caller;
      return Answers(std::in_place);
    }
    if (call.operation != Operation::kClaimOrphans) {
      return {{DoOne(call.key, call)}};
    }
    std::vector<Answered> answers;
    for (auto& [key, model] : models_) {
      Answered one = DoOne(key, call);
      if (one.answer.word == reason::kIncarnationEnded) return {{{"", one.answer}}};
      if (one.answer.word == "CLAIMED") answers.push_back(std::move(one));
    }
    return answers;
  }

  Answered DoOne(const std::string& key, const Call& call) {
    // A new one knows who has ended from the one that never starts.
    const auto found = models_.try_emplace(key, models_["none yet"]).first;
    Answer answer = found->second.Do(call);
    if (const auto& told = found->second.told()) {
      history_.log->push_back(*told);
      history_.log->back().work_key = key;
    }
    std::string owner_name;
    if (answer.item) owner_name = "pod-" + std::to_string(answer.item->owner.value);
    return {key, std::move(answer), std::move(owner_name)};
  }

  Instant Now() const { return Instant(std::chrono::milliseconds(now_)); }

  std::mt19937 random_;
  Items items_;
  std::vector<Caller> callers_;
  std::map<std::string, ItemModel> models_;
  std::deque<Call> late_;
  std::set<Incarnation> ended_;
  uint64_t incarnations_ = 0;
  int now_ = 0;
  History history_;
};

History Alone(History history) {
  history.log.reset();
  return history;
}

TEST(RandomHistoryTest, OfOneItemThatDoesOneAfterAnother_Passes) {
  size_t most = 0;
  std::set<std::string> seen;
  for (uint32_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    const History history = SimulatedCallers(seed).Run();
    EXPECT_THAT(Contradictions(history), IsEmpty());
    EXPECT_THAT(Contradictions(Alone(history)), IsEmpty());
    for (const std::string& key : KeysOf(history)) {
      most = std::max(most, Judge(Alone(history), key).looked_at);
    }
    for (const Record& record : history.records) {
      if (record.answer) seen.insert(record.answer->word);
    }
  }
  RecordProperty("most_configurations", static_cast<int>(most));
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre(
                        "STARTED", "OWNED", "ORPHANED", "COMPLETED", "CLAIMED", "LOST", "OK",
                        reason::kOwnerAlive, reason::kFenced, reason::kWorkCompleted,
                        reason::kWorkNotFound, reason::kIncarnationEnded, reason::kPodNotFound))
      << "callers come by everything";
}

// One answer that was given, and is not any more.
class Changed {
 public:
  explicit Changed(uint32_t seed) : random_(seed), history_(Alone(SimulatedCallers(seed).Run())) {
    for (Record& record : history_.records) {
      if (record.answer && !IsEnd(record.call.operation)) answered_.push_back(&record);
    }
  }

  // To what no order can explain: a fence that was never given, or a text that nobody wrote.
  bool ToTheImpossible() {
    Answer& answer = *Any()->answer;
    if (!answer.item) return false;
    if (random_() % 2 == 0 || answer.word == reason::kFenced ||
        answer.word == reason::kOwnerAlive) {
      answer.item->fence.value += 1000;
    } else {
      answer.item->checkpoint = "nobody wrote this";
    }
    return true;
  }

  // To what another call of this kind was answered about this item.
  bool ToAnother() {
    Record* const one = Any();
    Record* const other = Any();
    if (one->call.key != other->call.key || one->call.operation != other->call.operation ||
        *one->answer == *other->answer) {
      return false;
    }
    one->answer = other->answer;
    return true;
  }

  const History& history() const { return history_; }

 private:
  Record* Any() { return answered_[random_() % answered_.size()]; }

  std::mt19937 random_;
  History history_;
  std::vector<Record*> answered_;
};

TEST(RandomHistoryTest, AnswerThatNoOrderExplains_IsAlwaysFound) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Changed changed(seed);
    while (!changed.ToTheImpossible()) {
    }
    EXPECT_EQ(Contradictions(changed.history()).size(), 1U);
  }
}

// Between calls at the same time, another one's answer may be as true.
TEST(RandomHistoryTest, AnswerOfAnotherCall_IsFoundNineTimesInTen) {
  uint32_t found = 0;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Changed changed(seed);
    while (!changed.ToAnother()) {
    }
    if (!Contradictions(changed.history()).empty()) ++found;
  }
  RecordProperty("found", static_cast<int>(found));
  EXPECT_GE(found * 10, kSeeds * 9);
}

TEST(RandomHistoryTest, EveryMutant_IsFoundSoon) {
  constexpr uint32_t kTries = 20;
  for (const Mutant& mutant : Mutants()) {
    SCOPED_TRACE(mutant.name);
    uint32_t seed = 1;
    while (seed <= kTries &&
           Contradictions(Alone(SimulatedCallers(seed, mutant.of).Run())).empty()) {
      ++seed;
    }
    EXPECT_LE(seed, kTries);
    std::printf("%s: found at seed %u\n", mutant.name.c_str(), seed);
  }
}

}  // namespace
}  // namespace vigil::linearizability
