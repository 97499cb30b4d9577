// The table of settings: complete, and the same everywhere it stands.
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <type_traits>

#include "app/config.h"
#include "app/settings_file.h"
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

TEST(Settings, TheDefaultThatIsShownIsTheOneInForce) {
  static_assert(std::is_trivially_copyable_v<CoordinatorSettings>);
  for (const Setting& setting : Settings()) {
    if (setting.fallback.empty()) continue;
    Config config;
    std::array<std::byte, sizeof(CoordinatorSettings)> before{};
    std::memcpy(before.data(), &config.coordinator, before.size());
    setting.read(config, setting.fallback);
    EXPECT_EQ(std::memcmp(before.data(), &config.coordinator, before.size()), 0) << setting.name;
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

// Kubernetes gives the address of a pod without brackets, whichever it is: $(POD_IP):7420.
TEST(Settings, AnAddressOfIpv6GetsItsBrackets) {
  const std::vector<std::pair<std::string, std::string>> addresses = {
      {"fd00:10:244::1f:7420", "[fd00:10:244::1f]:7420"},
      {":::7420", "[::]:7420"},
      {"[::1]:0", "[::1]:0"},
      {"10.244.0.31:7420", "10.244.0.31:7420"},
      {"coordinator.vigil.svc:7420", "coordinator.vigil.svc:7420"}};
  for (const auto& [text, expected] : addresses) {
    std::string address;
    EXPECT_EQ(ReadAddress(address, text), "") << text;
    EXPECT_EQ(address, expected);
  }
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

// A file of settings, and what came of reading it.
class SettingsFile : public testing::Test {
 protected:
  Result<void> Read(const std::string& text, const std::string& given = "") {
    std::ofstream(path_, std::ios::binary) << text;
    return ReadSettingsFile(
        path_, [&](std::string_view name) { return name == given; }, config_);
  }

  std::string Refusal(const std::string& text) {
    const auto read = Read(text);
    return read ? "" : read.error().message;
  }

  const std::string path_ = testing::TempDir() + "vigil-settings-" + std::to_string(getpid());
  Config config_;
};

TEST_F(SettingsFile, EachLineIsASetting) {
  ASSERT_TRUE(
      Read("# of this place\n\n database = host=a dbname='b c'\r\n"
           "max-pods=7\nlisten = \"0.0.0.0:1\""));
  EXPECT_EQ(config_.database, "host=a dbname='b c'");
  EXPECT_EQ(config_.coordinator.max_pods, 7u);
  EXPECT_EQ(config_.listen, "0.0.0.0:1");
}

TEST_F(SettingsFile, WhatWasGivenOtherwiseWinsAndIsCheckedAllTheSame) {
  ASSERT_TRUE(Read("listen = 0.0.0.0:1\nmax-pods = 7", "listen"));
  EXPECT_EQ(config_.listen, Config().listen);
  EXPECT_EQ(config_.coordinator.max_pods, 7u);
  EXPECT_FALSE(Read("listen = nowhere", "listen"));
}

TEST_F(SettingsFile, WhatIsWrongIsNamedAndNoSecretIsQuoted) {
  EXPECT_THAT(Refusal("max-pods = 7\nmax-pads = 7"),
              testing::EndsWith("line 2: there is no setting max-pads"));
  EXPECT_THAT(Refusal("max-pods = many"),
              testing::HasSubstr("line 1: max-pods is not a number from"));
  EXPECT_THAT(Refusal("max-pods = 1\nmax-pods = 2"), testing::HasSubstr("second time"));
  EXPECT_THAT(Refusal("--max-pods = 1"), testing::HasSubstr("no setting --max-pods"));
  for (const std::string text : {"postgresql://u:sesame@h/d", "postgresql://u:sesame@h/d?x=1",
                                 "password=sesame", "listen = postgresql://u:sesame@h/d"}) {
    EXPECT_NE(Refusal(text), "") << text;
    EXPECT_THAT(Refusal(text), testing::Not(testing::HasSubstr("sesame")));
  }
  EXPECT_THAT(Refusal(std::string(70'000, '#')), testing::HasSubstr("larger than 64 KiB"));
  const auto missing = ReadSettingsFile(
      "/nowhere/at/all", [](auto) { return false; }, config_);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("cannot be read: No such file"));
  EXPECT_FALSE(ReadSettingsFile(
      testing::TempDir(), [](auto) { return false; }, config_));
}

// vigild and its file, a variable and a flag together.
TEST_F(SettingsFile, TheServerReadsIt) {
  const auto program = FindBuilt("vigild");
  ASSERT_TRUE(program) << program.error().message;
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> command{*program, "migrate", "status", "--config", path_};
    command.insert(command.end(), more.begin(), more.end());
    auto process = Process::Spawn({.command = command});
    EXPECT_TRUE(process) << process.error().message;
    const auto status = (*process)->AwaitEnd(std::chrono::seconds(20));
    EXPECT_TRUE(status);
    return std::pair(status.value_or(-1), (*process)->Transcript());
  };
  std::ofstream(path_) << "database = host=/nowhere/from-the-file\n";
  auto [status, said] = run({});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(said, testing::HasSubstr("/nowhere/from-the-file"));
  std::tie(status, said) = run({"--database", "host=/nowhere/from-the-flag"});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(said, testing::HasSubstr("/nowhere/from-the-flag"));
  std::ofstream(path_) << "max-pads = 7\n";
  std::tie(status, said) = run({});
  EXPECT_EQ(status, 2);
  EXPECT_THAT(said, testing::HasSubstr("there is no setting max-pads"));
}

}  // namespace
}  // namespace vigil
