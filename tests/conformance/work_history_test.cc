// What 8 callers at once are answered about a few items, while they die: as if each item did one
// call after another.
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "conformance/store_test.h"
#include "linearizability/checker.h"
#include "linearizability/from_store.h"
#include "linearizability/mutants.h"
#include "linearizability/random_caller.h"

namespace vigil {
namespace {

using linearizability::Call;
using linearizability::Contradictions;
using linearizability::History;
using linearizability::Items;
using linearizability::KeysOf;
using linearizability::Operation;
using linearizability::RandomCaller;
using linearizability::Record;
using linearizability::TakeDown;
using ::testing::IsEmpty;

constexpr int kCallers = 8;
constexpr int kCallsEach = 60;
// In turn, so that each caller dies a few times.
constexpr int kDeaths = 2 * kCallers;
constexpr int kLivesEach = kDeaths / kCallers + 1;
// Histories until a mutant must be found.
constexpr uint32_t kTries = 20;

Items Right(Items items) { return items; }

// 8 callers on the same few items, one of whom dies from time to time and begins a new life as soon
// as it has been told.
class WorkHistoryTest : public StoreTest {
 protected:
  // In a namespace of its own. With the log, and with a look at every item at the end.
  History Play(Host& host, uint32_t seed, const std::function<Items(Items)>& mutant = Right);

 private:
  struct Caller {
    explicit Caller(const RandomCaller::Options& options) : random(options) {}

    RandomCaller random;
    std::vector<NewPod> lives_to_come;
    std::vector<Record> records;
    std::mutex mutex;
    // Guarded by mutex.
    Pod pod;
  };

  static void BeginLife(Caller& caller, Store& store);
  void PlayCaller(Caller& caller, int number, Store& store, const Items& items);
  // Whenever so many calls have been answered, the next one dies.
  void PlayDeath(Store& store);

  std::string ns_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<Record> ends_;
  std::atomic<int> calls_ = 0;
  SystemClock clock_;
};

VIGIL_FOR_EVERY_STORE(WorkHistoryTest);

void WorkHistoryTest::BeginLife(Caller& caller, Store& store) {
  ASSERT_FALSE(caller.lives_to_come.empty());
  auto outcome = Must(store.Register(caller.lives_to_come.back()));
  caller.lives_to_come.pop_back();
  ASSERT_TRUE(std::holds_alternative<Registered>(outcome));
  std::lock_guard lock(caller.mutex);
  caller.pod = std::get<Registered>(outcome).pod;
  caller.random.Become(caller.pod.incarnation);
}

void WorkHistoryTest::PlayCaller(Caller& caller, int number, Store& store, const Items& items) {
  const std::string who = Numbered("caller ", number);
  BeginLife(caller, store);
  for (int i = 0; i < kCallsEach; ++i, ++calls_) {
    if (caller.random.ended()) BeginLife(caller, store);
    const Call call = caller.random.Next();
    caller.random.Learn(TakeDown(call, who, items, clock_, caller.records));
  }
}

void WorkHistoryTest::PlayDeath(Store& store) {
  constexpr int kCallsBetween = kCallers * kCallsEach / (kDeaths + 1);
  for (int death = 1; death <= kDeaths; ++death) {
    while (calls_ < death * kCallsBetween && !HasFailure()) std::this_thread::yield();
    Caller& victim = *callers_[death % kCallers];
    Pod pod;
    {
      std::lock_guard lock(victim.mutex);
      pod = victim.pod;
    }
    Record end{.call = {.operation = Operation::kDie, .caller = pod.incarnation},
               .who = "the host",
               .called = clock_.Now()};
    auto died = Must(store.DeclareHosted(ns_, Cause::kStreamEnded, {HostedAs(pod)}));
    if (died.events.empty()) continue;  // it has not noticed its last death yet
    end.answered = clock_.Now();
    end.answer = {"OK"};
    ends_.push_back(std::move(end));
  }
}

History WorkHistoryTest::Play(Host& host, uint32_t seed,
                              const std::function<Items(Items)>& mutant) {
  ns_ = "history-" + std::to_string(seed);
  callers_.clear();
  ends_.clear();
  calls_ = 0;
  for (int i = 0; i < kCallers; ++i) {
    const RandomCaller::Options options{.seed = seed * kCallers + i};
    callers_.push_back(std::make_unique<Caller>(options));
    for (int life = 0; life < kLivesEach; ++life) {
      const std::string name = Numbered("caller-", i) + Numbered("-", life);
      callers_.back()->lives_to_come.push_back(Newcomer(host, name, ns_));
    }
  }

  Together(kCallers + 1, [&](int thread, Store& store) {
    if (thread == kCallers) return PlayDeath(store);
    const Items items =
        mutant([&](const Call& call) { return linearizability::Ask(store, ns_, call); });
    PlayCaller(*callers_[thread], thread, store, items);
  });

  History history{.records = std::move(ends_), .log = EventsAfter({}, ns_)};
  for (auto& caller : callers_) {
    for (Record& record : caller->records) history.records.push_back(std::move(record));
  }
  const Items items = [this](const Call& call) { return linearizability::Ask(store(), ns_, call); };
  for (const std::string& key : KeysOf(history)) {
    TakeDown({.operation = Operation::kGet, .key = key}, "in the end", items, clock_,
             history.records);
  }
  return history;
}

TEST_P(WorkHistoryTest, Work_IsLinearizable) {  // P5, P6
  Host host = AddHost();
  for (uint32_t seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    History history = Play(host, seed);
    EXPECT_THAT(Contradictions(history), IsEmpty());
    // What callers were told needs no log to be explained.
    history.log.reset();
    EXPECT_THAT(Contradictions(history), IsEmpty());
  }
}

// Judged by what callers were told alone.
TEST_P(WorkHistoryTest, EveryMutant_IsFoundSoon) {  // P5, P6
  Host host = AddHost();
  uint32_t seed = 0;
  for (const auto& [name, mutant] : linearizability::Mutants()) {
    SCOPED_TRACE(name);
    const uint32_t last = seed + kTries;
    uint32_t tries = 0;
    for (bool found = false; !found; ++tries) {
      ASSERT_LT(seed, last);
      History history = Play(host, ++seed, mutant);
      history.log.reset();
      found = !Contradictions(history).empty();
    }
    std::printf("%s: found in history %u\n", name.c_str(), tries);
  }
}

}  // namespace
}  // namespace vigil
