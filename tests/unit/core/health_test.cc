#include "core/health.h"

#include <gmock/gmock.h>

#include <functional>

#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

HealthFacts Fine() {
  HealthFacts facts;
  facts.trust_window = seconds(15);
  facts.link = {.answered = milliseconds(200),
                .renewed = milliseconds(300),
                .answers = true,
                .renews = true,
                .sound = true,
                .no_room_for_new = {},
                .no_room_for_moved = {}};
  facts.log = {.readable = true, .gave_up = false};
  return facts;
}

struct Fault {
  std::string name;
  std::function<void(HealthFacts&)> happen;
  // Those who say no.
  std::vector<Sign> refused;
};

constexpr Sign kAll[] = {Sign::kLive, Sign::kReady, Sign::kPods, Sign::kEvents};

TEST(Health, AllIsWellWhenEveryCheckIs) {
  const Health health = HealthOf(Fine());
  for (const Sign sign : kAll) EXPECT_TRUE(health.Says(sign));
  for (const HealthCheck& check : health.checks) {
    EXPECT_TRUE(check.ok) << check.name;
    EXPECT_FALSE(check.sentence.empty()) << check.name;
    EXPECT_EQ(check.hint, "") << check.name;
    EXPECT_FALSE(check.needed_by.empty()) << check.name;
  }
}

// Only what a restart cures fails /livez; a database that is away does not.
TEST(Health, EachFaultFailsItsCheckAndThoseWhoNeedIt) {
  using enum Sign;
  const Error full = LimitReached("max-pods", "full");
  const std::vector<Fault> faults = {
      {"loops",
       [](HealthFacts& f) {
         f.halted = {"pods", "the event log"};
       },
       {kLive, kReady, kPods, kEvents}},
      {"reader", [](HealthFacts& f) { f.log.gave_up = true; }, {kLive, kEvents}},
      {"draining", [](HealthFacts& f) { f.draining = true; }, {kReady, kPods, kEvents}},
      {"examination",
       [](HealthFacts& f) { f.unexamined = DatabaseUnavailable("a pooler"); },
       {kReady, kPods}},
      {"database", [](HealthFacts& f) { f.link.answers = false; }, {kReady, kPods}},
      {"trust", [](HealthFacts& f) { f.link.renews = false; }, {kReady, kPods}},
      {"link", [](HealthFacts& f) { f.link.sound = false; }, {kPods}},
      {"capacity", [&](HealthFacts& f) { f.link.no_room_for_moved = full; }, {kPods}},
      {"capacity", [&](HealthFacts& f) { f.link.no_room_for_new = full; }, {}},
      {"log", [](HealthFacts& f) { f.log.readable = false; }, {kEvents}},
  };
  for (const auto& [name, happen, refused] : faults) {
    SCOPED_TRACE(name);
    HealthFacts facts = Fine();
    happen(facts);
    const Health health = HealthOf(facts);
    for (const Sign sign : kAll) {
      const HealthCheck* failing = health.FirstFailing(sign);
      const bool expected = std::ranges::count(refused, sign) > 0;
      ASSERT_EQ(failing != nullptr, expected) << static_cast<int>(sign);
      if (expected) {
        EXPECT_EQ(failing->name, name);
      }
    }
    for (const HealthCheck& check : health.checks) {
      ASSERT_EQ(check.ok, check.name != name) << check.name;
      if (check.ok) continue;
      EXPECT_FALSE(check.sentence.empty());
      EXPECT_FALSE(check.hint.empty());
    }
  }
}

std::string SentenceOf(std::string_view name, const HealthFacts& facts) {
  for (const HealthCheck& check : HealthOf(facts).checks) {
    if (check.name == name) return check.sentence;
  }
  return "there is no such check";
}

TEST(Health, ItSaysForHowLongAndHowLongItMay) {
  HealthFacts facts = Fine();
  EXPECT_EQ(SentenceOf("database", facts), "PostgreSQL answered 0.2 s ago");
  EXPECT_EQ(SentenceOf("trust", facts), "its row was renewed 0.3 s ago");
  facts.link.answered = facts.link.renewed = milliseconds(17'340);
  facts.link.answers = facts.link.renews = false;
  EXPECT_EQ(SentenceOf("database", facts),
            "PostgreSQL has not answered for 17.3 s, and the trust window is 15.0 s");
  EXPECT_EQ(SentenceOf("trust", facts),
            "its row was not renewed for 17.3 s, and the trust window is 15.0 s: it grants no "
            "lease");
  facts.link.answered = facts.link.renewed = std::nullopt;
  EXPECT_EQ(SentenceOf("database", facts), "PostgreSQL has answered no liveness session yet");
  EXPECT_EQ(SentenceOf("trust", facts), "it has no row in the cluster, and grants no lease");
}

// What the database says comes in as many lines as it likes.
TEST(Health, ASentenceIsOneLine) {
  HealthFacts facts = Fine();
  facts.unexamined = DatabaseUnavailable("one\ntwo\r\n\tthree");
  const std::string sentence = SentenceOf("examination", facts);
  EXPECT_THAT(sentence, HasSubstr("one two"));
  for (const char* mark : {"\n", "\r", "\t"}) EXPECT_THAT(sentence, Not(HasSubstr(mark)));
}

}  // namespace
}  // namespace vigil
