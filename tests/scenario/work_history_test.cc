// Callers that are killed and frozen, under coordinators that are killed and a Postgres that
// restarts: whatever they were answered, each item did one call after another.
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>

#include "calling_pod.h"
#include "linearizability/checker.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using linearizability::Answer;
using linearizability::Contradictions;
using linearizability::History;
using linearizability::KeysOf;
using linearizability::Operation;
using linearizability::Record;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;
using Shutdown = pg::PrivateCluster::Shutdown;

constexpr uint32_t kCallers = 8;
constexpr int kCoordinators = 2;

// VIGIL_SEED, or another one for each run.
uint32_t Seed() {
  const char* const chosen = std::getenv("VIGIL_SEED");
  return chosen ? static_cast<uint32_t>(std::strtoul(chosen, nullptr, 10)) : std::random_device()();
}

class WorkHistory : public Scenario {
 protected:
  void Start() {
    std::printf("VIGIL_SEED=%u\n", seed_);
    VigilCluster::Options options{.coordinators = kCoordinators};
    if (!InFull()) options.settings = {"--trust-window", "4s"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    began_ = Now();
    for (uint32_t place = 0; place < kCallers; ++place) ASSERT_NO_FATAL_FAILURE(StartCaller(place));
  }

  // One thing goes wrong, by chance.
  void GoWrong() {
    const uint32_t pick = Pick(10);
    if (pick < 4) return KillCaller(Pick(kCallers));
    if (pick < 7) return FreezeCaller(Pick(kCallers));
    if (pick < 9) return KillCoordinator(static_cast<int>(Pick(kCoordinators)));
    ++restarts_;
    ASSERT_TRUE(Postgres().Restart(Pick(2) == 0 ? Shutdown::kFast : Shutdown::kImmediate));
  }

  // A caller of each profile sleeps until it is dead, and finds out.
  void SleepThroughDeath() {
    for (Caller* const caller : {&callers_[0], &callers_[1]}) {
      caller->process->process().Signal(SIGSTOP);
      Expect(*caller->process, "registered");
      const Report life = caller->process->Reports("registered").back();
      const client::Incarnation self(life.Number("incarnation"));
      ExpectEvent("it died", Of(client::EventKind::kPodDied, self), seconds(60));
      Wake(*caller);
      Expect(*caller->process, "registered",
             [&](const Report& report) { return report.Number("incarnation") > self.value(); });
    }
  }

  // For a while nothing more goes wrong, and who has been frozen for long enough wakes.
  void GoOn() {
    const auto never = [](const client::Event&) { return false; };
    log().Await(never, milliseconds(100 + Pick(900)));
    for (Caller& caller : callers_) {
      if (caller.frozen_until && *caller.frozen_until <= Now()) Wake(caller);
    }
  }

  // The callers leave; what everybody was told, with the log and the table as they stand then.
  History End() {
    for (Caller& caller : callers_) {
      if (caller.frozen_until) Wake(caller);
      caller.process->process().Signal(SIGTERM);
    }
    for (Caller& caller : callers_) EXPECT_TRUE(caller.process->process().AwaitEnd(kPatience));
    EXPECT_TRUE(Database().AwaitSettled(0, kCoordinators, seconds(60)));
    const history::Reference truth = Truth();
    EXPECT_TRUE(log().AwaitSeq(client::Seq(truth.through.value), kPatience));

    History history{.records = Ends(), .log = truth.log};
    for (const auto& [process, who] : processes_) {
      for (Record& record : RecordsFrom(*process, who))
        history.records.push_back(std::move(record));
    }
    for (Record& record : Table()) history.records.push_back(std::move(record));
    return history;
  }

  // What went wrong, how often.
  int kills() const { return kills_; }
  int freezes() const { return freezes_; }
  int coordinators_killed() const { return coordinators_killed_; }
  int restarts() const { return restarts_; }

 private:
  struct Caller {
    ReportingProcess* process = nullptr;
    std::optional<Instant> frozen_until;
  };

  uint32_t Pick(uint32_t below) { return random_() % below; }

  void StartCaller(uint32_t place) {
    const std::string who = "caller-" + std::to_string(place) + "-" + std::to_string(++started_);
    auto process = RunCallingPod({.addresses = cluster().Addresses(place % kCoordinators),
                                  .name = who,
                                  .strict = place % 2 == 0,
                                  .seed = seed_ + started_});
    ASSERT_TRUE(process) << process.error().message;
    callers_[place] = {.process = process->get(), .frozen_until = std::nullopt};
    processes_.emplace_back(std::move(*process), who);
  }

  void KillCaller(uint32_t place) {
    ++kills_;
    callers_[place].process->process().Signal(SIGKILL);
    StartCaller(place);
  }

  // Some for less than their lease of a second, and some for more.
  void FreezeCaller(uint32_t place) {
    ++freezes_;
    callers_[place].process->process().Signal(SIGSTOP);
    callers_[place].frozen_until = Now() + milliseconds(Pick(4000));
  }

  static void Wake(Caller& caller) {
    caller.process->process().Signal(SIGCONT);
    caller.frozen_until.reset();
  }

  void KillCoordinator(int place) {
    ++coordinators_killed_;
    cluster().coordinator(place).Signal(SIGKILL);
    ASSERT_TRUE(cluster().coordinator(place).AwaitEnd(kPatience));
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }

  // Each before a subscriber was told of it; the log says in which order.
  std::vector<Record> Ends() {
    std::vector<Record> ends;
    for (const auto& [at, what] : log().History()) {
      const auto* told = std::get_if<history::EventsTold>(&what);
      if (told == nullptr) continue;
      for (const Event& event : told->events) {
        const bool died = event.kind == EventKind::kPodDied;
        if (!died && event.kind != EventKind::kPodLeft) continue;
        const Operation end = died ? Operation::kDie : Operation::kLeave;
        ends.push_back({.call = {.operation = end, .caller = event.incarnation},
                        .who = "the cluster",
                        .called = began_,
                        .answer = Answer{"OK"},
                        .answered = at});
      }
    }
    return ends;
  }

  // The rows as they stand in the end, as answers.
  std::vector<Record> Table() {
    std::vector<Record> rows;
    const Instant asked = Now();
    const auto items = Database().ReadWork("default");
    if (!items) {
      ADD_FAILURE() << items.error().message;
      return rows;
    }
    for (const WorkItem& item : *items) {
      rows.push_back({.call = {.operation = Operation::kGet, .key = item.key},
                      .who = "the table",
                      .called = asked,
                      .answer = Answer{"OK", linearizability::ItemFrom(item)},
                      .answered = Now()});
    }
    return rows;
  }

  const uint32_t seed_ = Seed();
  std::mt19937 random_{seed_};
  Instant began_{};
  std::vector<Caller> callers_{kCallers};
  uint32_t started_ = 0;
  // All that were ever started, and what they are called.
  std::vector<std::pair<std::unique_ptr<ReportingProcess>, std::string>> processes_;
  int kills_ = 0;
  int freezes_ = 0;
  int coordinators_killed_ = 0;
  int restarts_ = 0;
};

// P5, P6
TEST_F(WorkHistory, EverybodyKilledAndFrozenAtRandom_EachItemDoesOneCallAfterAnother) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const Instant end = Now() + FullOr(seconds(120), seconds(15));
  while (Now() < end) {
    ASSERT_NO_FATAL_FAILURE(GoWrong());
    ASSERT_NO_FATAL_FAILURE(GoOn());
  }
  ASSERT_NO_FATAL_FAILURE(SleepThroughDeath());
  const History history = End();

  const auto contradictions = Contradictions(history);
  EXPECT_THAT(contradictions, IsEmpty());
  const size_t items = KeysOf(history).size();
  ExpectNone("items that are not linearizable", contradictions.size(), static_cast<int>(items));

  std::map<std::string, int> answers;
  for (const Record& record : history.records) ++answers[record.answer ? record.answer->word : "?"];
  std::printf("%d kills, %d freezes, %d coordinators killed, %d restarts; %zu items;", kills(),
              freezes(), coordinators_killed(), restarts(), items);
  for (const auto& [word, count] : answers) std::printf(" %d %s", count, word.c_str());
  std::printf("\n");
  EXPECT_GE(items, 4U);
  for (const char* word : {"OK", "STARTED", "CLAIMED", "FENCED", "INCARNATION_ENDED"}) {
    EXPECT_GT(answers[word], 0) << word;
  }
}

}  // namespace
}  // namespace vigil
