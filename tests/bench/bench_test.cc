// That everything that is measured can be measured: one short run of each. What comes out of so
// short a run says nothing of the product.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
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

TEST(Bench, Fanout_WrongUsageIsRefused) {
  const auto program = FindBuilt("vigil_bench");
  ASSERT_TRUE(program);
  auto bench = Process::Spawn({.command = {*program, "fanout", "--subscribers", "0"}});
  ASSERT_TRUE(bench);
  EXPECT_EQ((*bench)->AwaitEnd(kLimit), 2) << (*bench)->Transcript();
}

}  // namespace
}  // namespace vigil
