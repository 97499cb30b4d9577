// The table of settings: complete, and the same everywhere it stands.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "app/config.h"
#include "support/process.h"

namespace vigil {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Settings, EachReadsItsOwnDefault) {
  for (const Setting& setting : Settings()) {
    Config config;
    if (!setting.fallback.empty()) {
      EXPECT_EQ(setting.read(config, setting.fallback), "") << setting.name;
    }
    EXPECT_FALSE(setting.meaning.empty()) << setting.name;
  }
}

TEST(Settings, NamesAreUniqueAndBecomeVariables) {
  std::set<std::string> names;
  for (const Setting& setting : Settings())
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
  EXPECT_EQ(Settings().front().environment(), "VIGIL_DATABASE");
  Setting setting = Settings().front();
  setting.name = "drain-timeout";
  EXPECT_EQ(setting.environment(), "VIGIL_DRAIN_TIMEOUT");
}

TEST(Settings, ReadmeHasEveryRow) {
  const std::string readme = ReadFile(VIGIL_SOURCE_DIR "/README.md");
  for (const Setting& setting : Settings()) {
    const std::string row = "| `" + setting.flag() + "` | `" + setting.environment() + "` | " +
                            (setting.fallback.empty() ? "" : "`" + setting.fallback + "` ") + "| " +
                            setting.meaning + " |";
    EXPECT_NE(readme.find(row), std::string::npos) << "README.md lacks the row:\n" << row;
  }
}

TEST(Settings, NonsenseIsRefusedWithWhatIsExpected) {
  for (const Setting& setting : Settings()) {
    // Any text may be one; libpq, or who reads the file, judges it.
    if (setting.name == "database" || setting.name.starts_with("tls-") ||
        setting.name == "tokens" || setting.name == "grants") {
      continue;
    }
    Config config;
    EXPECT_NE(setting.read(config, "nonsense"), "") << setting.name;
  }
}

TEST(Settings, DurationsAreBounded) {
  const auto read = [](const std::string& name, const std::string& text) {
    for (const Setting& setting : Settings()) {
      Config config;
      if (setting.name == name) return setting.read(config, text).empty();
    }
    return false;
  };
  for (const char* age : {"1m", "12h", "7d", "0.5d", "3650d"}) {
    EXPECT_TRUE(read("retention-age", age)) << age;
  }
  for (const char* age : {"59s", "3651d", "-7d", "0d", "1e300d", "d", "7 d"}) {
    EXPECT_FALSE(read("retention-age", age)) << age;
  }
  for (const char* interval : {"50ms", "1s", "1h"}) {
    EXPECT_TRUE(read("recovery-interval", interval)) << interval;
  }
  for (const char* interval : {"49ms", "61m", "0s"}) {
    EXPECT_FALSE(read("recovery-interval", interval)) << interval;
  }
  EXPECT_TRUE(read("drain-timeout", "1d"));
  EXPECT_FALSE(read("drain-timeout", "2d"));
}

// P7: settings that would break the timing rule do not start.
TEST(Settings, TimingThatCannotHoldIsRefused) {
  Config config;
  EXPECT_TRUE(CheckConfig(config));
  config.coordinator.timing.trust_window = config.coordinator.timing.ping_interval;
  const auto refused = CheckConfig(config);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("trust window"), std::string::npos);
}

// Both commands refuse each rule before they look for a database, with the arithmetic and the exit
// code of wrong usage.
TEST(Settings, TimingThatCannotHoldEndsTheProcessWithTheArithmetic) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused = {
      {{"--trust-window", "1s"}, "trust window 1 s < 3 x ping interval 0.5 s = 1.5 s"},
      {{"--probe-interval", "2s"}, "FAST grace 3 s < 2 x probe interval 2 s = 4 s"},
      {{"--default-lease", "61s"}, "default lease 61 s is outside 0.5 s to 60 s"},
      {{"--ping-interval", "1200ms"},
       "idle session timeout 3 s < 3 x ping interval 1.2 s = 3.6 s"}};
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  for (const char* verb : {"serve", "dev"}) {
    for (const auto& [settings, arithmetic] : refused) {
      std::vector<std::string> command = {*vigild, verb};
      command.insert(command.end(), settings.begin(), settings.end());
      auto process = Process::Spawn({.command = std::move(command)});
      ASSERT_TRUE(process) << process.error().message;
      EXPECT_EQ((*process)->AwaitEnd(std::chrono::seconds(20)), 2);
      EXPECT_NE((*process)->Transcript().find(arithmetic), std::string::npos)
          << (*process)->Transcript();
    }
  }
}

}  // namespace
}  // namespace vigil
