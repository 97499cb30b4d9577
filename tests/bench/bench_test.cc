// That everything that is measured can be measured: one short run of each. What comes out of so
// short a run says nothing of the product.
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

void ExpectFigures(const Json& measured, const std::string& prefix,
                   const std::vector<std::string>& figures) {
  const auto names = NamesOf(measured);
  for (const std::string& figure : figures) {
    EXPECT_TRUE(names.contains(prefix + figure)) << prefix << figure << " in " << measured;
  }
}

TEST(Bench, Death_EveryFigureIsReported) {
  const Json measured = Measure({"death", "--samples", "2", "--warm-up", "1", "--lease", "500ms"});
  ExpectFigures(measured, "",
                {"event_p50", "claim_p99", "floor_all_p50", "claim_p50_over_floor",
                 "claim_p50_over_lock_floor"});
  ExpectFigures(measured, "strict/", {"event_p50", "event_p99", "claim_max"});
}

TEST(Bench, Fanout_EveryFigureIsReported) {
  const Json measured =
      Measure({"fanout", "--subscribers", "1,20", "--samples", "3", "--warm-up", "1"});
  for (const char* subscribers : {"1/", "20/"}) {
    for (const std::string figure : {"received_p50", "received_p99", "bytes_per_event",
                                     "cpu_per_event", "memory_per_idle_subscriber"}) {
      ExpectFigures(measured, subscribers, {figure, "raw_" + figure, figure + "_over_raw"});
    }
    ExpectFigures(measured, subscribers, {"received_from_elsewhere_p99"});
  }
  ExpectFigures(measured, "", {"slow_subscriber"});
}

TEST(Bench, Work_EveryFigureIsReported) {
  const Json measured = Measure({"work", "--claimers", "1,3", "--claims", "60", "--rounds", "1"});
  for (const char* claimers : {"1/", "3/"}) {
    ExpectFigures(measured, claimers,
                  {"claims", "pgbench_claims", "claims_over_pgbench", "contended_claims",
                   "contended_pgbench_claims", "contended_lost", "contended_pgbench_lost",
                   "contended_claims_over_pgbench"});
  }
}

TEST(Bench, Scale_EveryFigureIsReported) {
  const Json measured = Measure({"scale", "--pods", "5,20", "--pods-per-connection", "3", "--own",
                                 "0", "--coordinators", "2", "--items", "40", "--seconds", "1"});
  for (const char* round : {"5/shared/", "20/shared/", "20/over_2/"}) {
    ExpectFigures(measured, round,
                  {"cpu_per_heartbeat_over_raw", "memory_per_pod_own", "database_cpu",
                   "probes_per_interval", "registrations", "generator_cpu"});
  }
  ExpectFigures(measured, "20/shared/", {"probe_p99", "items_database_cpu_over_none"});
  ExpectFigures(measured, "", {"database_cpu_exponent", "coordinator_cpu_exponent"});
}

// A rate is met from its target on.
TEST(Bench, Work_ARateIsToBeNoLowerThanItsTarget) {
  const Json measured = Measure({"work", "--claimers", "8", "--claims", "160", "--rounds", "1"});
  int targets = 0;
  for (const Json& row : measured.value("rows", Json::array())) {
    if (row.at("target").is_null()) continue;
    ++targets;
    EXPECT_EQ(row.at("met"), row.at("value").get<double>() >= row.at("target").get<double>())
        << row;
  }
  EXPECT_EQ(targets, 2) << measured;
}

TEST(Bench, Mass_EveryFigureIsReported) {
  const Json measured =
      Measure({"mass", "--pods", "8", "--losses", "2", "--dead", "1,5", "--recoveries", "1"});
  ExpectFigures(measured, "8/",
                {"resumed_min", "resumed_p50", "resumed_p99", "all_resumed_p99", "all_resumed_max",
                 "deaths", "lost"});
  for (const char* dead : {"1x10/", "5x10/"}) {
    ExpectFigures(
        measured, dead,
        {"recovered_min", "recovered_p50", "recovered_p99", "recovered_max", "heartbeat_max"});
  }
}

TEST(Bench, Peers_EveryFigureOfOursIsReported) {
  const Json measured = Measure({"peers", "--samples", "2", "--warm-up", "0", "--slow-samples", "1",
                                 "--peers", "none", "--pods", "3", "--window", "1"});
  for (const char* contender : {"vigil/", "bare_chain/", "polling/"}) {
    ExpectFigures(measured, contender, {"rounds", "false_deaths", "noticed_p50", "claimed_p50"});
  }
  ExpectFigures(measured, "",
                {"polling_over_vigil", "vigil_over_bare_chain", "vigil_3/database_cpu_per_pod",
                 "polling_3/database_cpu_per_pod", "polling_3/probes_made_of_due",
                 "3/database_cpu_polling_over_vigil"});
  // Who is not measured is named, with the reason.
  const Json left_out = measured.value("left_out", Json::array());
  EXPECT_EQ(left_out.size(), 5U) << measured;
  for (const Json& one : left_out) EXPECT_NE(one.at("why"), "") << one;
}

TEST(Bench, WrongUsageIsRefused) {
  const auto program = FindBuilt("vigil_bench");
  ASSERT_TRUE(program);
  for (const std::vector<std::string>& usage :
       std::vector<std::vector<std::string>>{{},
                                             {"fanout", "--subscribers", "0"},
                                             {"work", "--claimers", "0"},
                                             {"mass", "--pods", "0"},
                                             {"peers", "--pods", "0"},
                                             {"scale", "--pods", "0"}}) {
    std::vector<std::string> command = usage;
    command.insert(command.begin(), *program);
    auto refused = Process::Spawn({.command = command});
    ASSERT_TRUE(refused);
    EXPECT_EQ((*refused)->AwaitEnd(kLimit), 2) << (*refused)->Transcript();
  }
}

}  // namespace
}  // namespace vigil
