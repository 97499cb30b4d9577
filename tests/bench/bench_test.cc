// That everything that is measured can be measured: one short run of each. What comes out of so
// short a run says nothing of the product.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/process.h"

namespace vigil {
namespace {

using Json = nlohmann::json;

constexpr auto kLimit = std::chrono::seconds(180);

// What `vigil_bench` says with these arguments; null when it could not measure.
Json Measure(std::vector<std::string> arguments) {
  const auto program = FindBuilt("vigil_bench");
  if (!program) {
    ADD_FAILURE() << program.error().message;
    return {};
  }
  arguments.insert(arguments.begin(), *program);
  arguments.insert(arguments.end(), {"-o", "json"});
  auto bench = Process::Spawn({.command = arguments});
  if (!bench || (*bench)->AwaitEnd(kLimit) != 0) {
    ADD_FAILURE() << (bench ? (*bench)->Transcript() : bench.error().message);
    return {};
  }
  for (const auto& line : (*bench)->Lines()) {
    if (line.stream == Process::Stream::kOut) return Json::parse(line.text, nullptr, false);
  }
  return {};
}

// The names of the rows, each of which is whole.
std::set<std::string> NamesOf(const Json& measured) {
  std::set<std::string> names;
  for (const Json& row : measured.value("rows", Json::array())) {
    EXPECT_EQ(row.size(), 5U) << row;
    EXPECT_TRUE(row.at("value").is_number()) << row;
    EXPECT_EQ(row.at("target").is_null(), row.at("met").is_null()) << row;
    EXPECT_TRUE(names.insert(row.at("name")).second) << row;
  }
  return names;
}

TEST(Bench, Death_EveryFigureIsReported) {
  const Json measured = Measure({"death", "--samples", "2", "--warm-up", "1"});
  const auto names = NamesOf(measured);
  for (const char* name : {"event_p50", "claim_p99", "floor_all_p50", "claim_p50_over_floor"}) {
    EXPECT_TRUE(names.contains(name)) << name << " in " << measured;
  }
}

TEST(Bench, Fanout_EveryFigureIsReported) {
  const Json measured =
      Measure({"fanout", "--subscribers", "1,20", "--samples", "3", "--warm-up", "1"});
  const auto names = NamesOf(measured);
  for (const int subscribers : {1, 20}) {
    for (const char* figure : {"received_p50", "received_p99", "bytes_per_event", "cpu_per_event",
                               "memory_per_idle_subscriber"}) {
      for (const char* form : {"{}/{}", "{}/raw_{}", "{}/{}_over_raw"}) {
        const std::string name = fmt::format(fmt::runtime(form), subscribers, figure);
        EXPECT_TRUE(names.contains(name)) << name << " in " << measured;
      }
    }
    EXPECT_TRUE(names.contains(fmt::format("{}/received_from_elsewhere_p99", subscribers)));
  }
  EXPECT_TRUE(names.contains("slow_subscriber")) << measured;
}

TEST(Bench, Work_EveryFigureIsReported) {
  const Json measured = Measure({"work", "--claimers", "1,3", "--claims", "60", "--rounds", "1",
                                 "--pods", "1,5", "--recoveries", "1"});
  const auto names = NamesOf(measured);
  for (const int claimers : {1, 3}) {
    for (const char* figure : {"claims", "pgbench_claims", "claims_over_pgbench",
                               "contended_claims", "contended_pgbench_claims", "contended_lost",
                               "contended_pgbench_lost", "contended_claims_over_pgbench"}) {
      const std::string name = fmt::format("{}/{}", claimers, figure);
      EXPECT_TRUE(names.contains(name)) << name << " in " << measured;
    }
  }
  for (const int pods : {1, 5}) {
    for (const char* figure : {"recovered_p50", "recovered_max", "heartbeat_max"}) {
      const std::string name = fmt::format("{}x10/{}", pods, figure);
      EXPECT_TRUE(names.contains(name)) << name << " in " << measured;
    }
  }
}

// A rate is met from its target on, and a time up to it.
TEST(Bench, Work_ARateIsToBeNoLowerThanItsTarget) {
  const Json measured = Measure({"work", "--claimers", "8", "--claims", "160", "--rounds", "1",
                                 "--pods", "1", "--recoveries", "1"});
  int targets = 0;
  for (const Json& row : measured.value("rows", Json::array())) {
    if (row.at("target").is_null()) continue;
    ++targets;
    const double value = row.at("value");
    const double target = row.at("target");
    EXPECT_EQ(row.at("met"), row.at("unit") == "ratio" ? value >= target : value <= target) << row;
  }
  EXPECT_EQ(targets, 3) << measured;
}

TEST(Bench, WrongUsageIsRefused) {
  const auto program = FindBuilt("vigil_bench");
  ASSERT_TRUE(program);
  for (const auto& [bench, flag] : {std::pair("fanout", "--subscribers"), {"work", "--claimers"}}) {
    auto refused = Process::Spawn({.command = {*program, bench, flag, "0"}});
    ASSERT_TRUE(refused);
    EXPECT_EQ((*refused)->AwaitEnd(kLimit), 2) << (*refused)->Transcript();
  }
}

}  // namespace
}  // namespace vigil
