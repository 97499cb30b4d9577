// The output of an item whose owner is paused, overtaken, and wakes to write on.
#include <csignal>
#include <filesystem>

#include "output_writer.h"
#include "scenario.h"

namespace vigil {
namespace {

using ::testing::ElementsAreArray;

constexpr int kLines = 100;
constexpr char kKey[] = "report";

class OutputStream : public Scenario {
 protected:
  OutputStream() {
    std::string name = (std::filesystem::temp_directory_path() / "vigil-output-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~OutputStream() override { std::filesystem::remove_all(directory_); }

  std::string File() const { return (directory_ / "output").string(); }

  std::unique_ptr<ReportingProcess> Write(OutputWriter writer) {
    writer.addresses = cluster().Addresses();
    writer.key = kKey;
    writer.file = File();
    writer.lines = kLines;
    auto process = RunOutputWriter(writer);
    EXPECT_TRUE(process) << process.error().message;
    return process ? std::move(*process) : nullptr;
  }

  std::unique_ptr<Process> Read() {
    const auto reader = FindBuilt("vigil_example_output_reader");
    EXPECT_TRUE(reader) << reader.error().hint;
    auto process = Process::Spawn({.command = {*reader, cluster().address(0), kKey, File()}});
    EXPECT_TRUE(process) << process.error().message;
    return process ? std::move(*process) : nullptr;
  }

  static bool AwaitPrinted(Process& reader, const std::string& text) {
    return reader
        .AwaitLine(
            [&](const Process::Line& line) {
              return line.stream == Process::Stream::kOut && line.text == text;
            },
            kPatience)
        .has_value();
  }

  // What the reader printed until it said that the result is whole.
  static std::vector<std::string> Result(Process& reader) {
    EXPECT_EQ(reader.AwaitEnd(kPatience), 0) << reader.Transcript();
    std::vector<std::string> printed;
    for (const Process::Line& line : reader.Lines()) {
      if (line.stream == Process::Stream::kOut) printed.push_back(line.text);
    }
    return printed;
  }

  // The first owner is paused as the script says, and the second goes on from there.
  void PauseTheFirst(OutputWriter first, int taken_over_from);

 private:
  std::filesystem::path directory_;
};

void OutputStream::PauseTheFirst(OutputWriter script, int taken_over_from) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const auto live = Read();
  ASSERT_TRUE(live);
  script.name = "first";
  const auto first = Write(std::move(script));
  ASSERT_TRUE(first);
  EXPECT_EQ(Expect(*first, "owns").Number("from"), 0U);
  const auto second = Write({.name = "second", .hold_before_line = 60});
  ASSERT_TRUE(second);
  EXPECT_TRUE(AwaitPrinted(*live, "9 by first")) << "it follows";

  // Paused for longer than its lease.
  const Report owns = Expect(*second, "owns");
  EXPECT_EQ(owns.Number("from"), static_cast<uint64_t>(taken_over_from));
  EXPECT_EQ(owns.Number("fence"), 2U);
  Expect(*second, "holding");
  first->process().Signal(SIGCONT);
  const Report late = Expect(*first, "done");
  EXPECT_FALSE(late.fields.at("completed").get<bool>());
  second->process().Signal(SIGUSR1);
  EXPECT_TRUE(Expect(*second, "done").fields.at("completed").get<bool>());

  std::vector<std::string> expected;
  for (int line = 0; line < kLines; ++line) {
    expected.push_back(std::to_string(line) + " by " +
                       (line < taken_over_from ? "first" : "second"));
  }
  EXPECT_THAT(Result(*live), ElementsAreArray(expected));
  const auto late_reader = Read();
  ASSERT_TRUE(late_reader);
  EXPECT_THAT(Result(*late_reader), ElementsAreArray(expected));
}

// P5
TEST_F(OutputStream, OwnerPausedBetweenCheckpoints_ReadersSeeTheResultOnce) {
  ASSERT_NO_FATAL_FAILURE(PauseTheFirst({.pause_before_line = 25}, 20));
}

// P5: its checkpoint counts, and that it says so late does not.
TEST_F(OutputStream, OwnerPausedAfterACheckpoint_ReadersSeeTheResultOnce) {
  ASSERT_NO_FATAL_FAILURE(PauseTheFirst({.pause_before_settling = 30}, 30));
}

}  // namespace
}  // namespace vigil
