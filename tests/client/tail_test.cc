// `vigil events tail`: what it shows, what it survives, and how it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "client/scripted_coordinator.h"
#include "client/subscription_fixture.h"
#include "support/process.h"

namespace vigil::client {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kPatience = std::chrono::seconds(20);

class TailTest : public ::testing::Test {
 protected:
  TailTest() {
    for (const char* name : {"web-1", "web-2"}) Register(name);
  }

  void Register(const std::string& name) {
    v1::Register request;
    request.set_name(name);
    request.set_registration_id(name);
    cluster_.Register(request, 1);
  }

  std::string addresses() const { return a_.address() + "," + b_.address(); }

  void Start(std::vector<std::string> command) {
    auto spawned = Process::Spawn(
        {.command = std::move(command), .environment = {{"VIGIL_ADDRESS", addresses()}}});
    ASSERT_TRUE(spawned) << spawned.error().message;
    tail_ = std::move(*spawned);
  }

  void Tail(std::vector<std::string> words) {
    words.insert(words.begin(), {VIGIL_COMMAND, "--in-order", "events", "tail"});
    Start(std::move(words));
  }

  // The rest of the line on that stream that begins like this.
  std::string Await(Process::Stream stream, const std::string& begin) {
    const auto line = tail_->AwaitLine(
        [&](const auto& seen) { return seen.stream == stream && seen.text.starts_with(begin); },
        kPatience);
    EXPECT_TRUE(line) << begin << "\n" << tail_->Transcript();
    return line ? line->text.substr(begin.size()) : "";
  }
  std::string AwaitOut(const std::string& begin) { return Await(Process::Stream::kOut, begin); }
  std::string AwaitErr(const std::string& begin) { return Await(Process::Stream::kErr, begin); }

  Json AwaitReport(const std::string& event) {
    const std::string begin = R"({"event":")" + event + R"(")";
    return Json::parse(begin + AwaitErr(begin), nullptr, false);
  }

  int AwaitEnd() { return tail_->AwaitEnd(kPatience).value_or(-1); }

  std::vector<std::string> Lines(Process::Stream stream) const {
    std::vector<std::string> lines;
    for (const auto& line : tail_->Lines()) {
      if (line.stream == stream) lines.push_back(line.text);
    }
    return lines;
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  ScriptedCoordinator b_{cluster_, 2};
  std::unique_ptr<Process> tail_;
};

TEST_F(TailTest, Filter_GoesToTheCoordinator) {
  Tail({"--kind", "pod_died,POD_LEFT", "--kind", "work_claimed", "--label", "tier=web", "--label",
        "zone=a=b"});
  EXPECT_EQ(AwaitEnd(), 0);
  const auto filter = a_.subscribe_requests().at(0).filter();
  EXPECT_THAT(filter.kinds(), ElementsAre(v1::EVENT_KIND_POD_DIED, v1::EVENT_KIND_POD_LEFT,
                                          v1::EVENT_KIND_WORK_CLAIMED));
  EXPECT_EQ(filter.pod_labels().at("tier"), "web");
  EXPECT_EQ(filter.pod_labels().at("zone"), "a=b");
}

TEST_F(TailTest, CommandLine_WhatIsWrongIsSaidBeforeAnythingIsSent) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--kind", "POD_RESURRECTED"},
        {"--label", "tier"},
        {"--after", ""},
        {"--after", "two words"},
        {"--after", "1", "--oldest"}}) {
    Tail(words);
    EXPECT_EQ(AwaitEnd(), 2) << tail_->Transcript();
  }
  EXPECT_EQ(a_.Count("subscribe"), 0);
}

TEST_F(TailTest, Cursors_AreShownForPeopleAndForPrograms) {
  Tail({"--cursors"});
  EXPECT_EQ(AwaitEnd(), 0);
  EXPECT_EQ(Lines(Process::Stream::kOut).back(), "cursor  2");
  a_.Change([](auto& script) {  // a filter lets nothing through, and the position moves on
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      auto halfway = PositionMessage(1, {});
      halfway.mutable_position()->set_head(2);
      writer.Write(halfway);
      writer.Write(PositionMessage(2, {}));
      return grpc::Status::OK;
    };
  });
  Tail({"--cursors", "-o", "json"});
  EXPECT_EQ(AwaitEnd(), 0) << tail_->Transcript();
  const auto lines = Lines(Process::Stream::kOut);
  ASSERT_EQ(lines.size(), 2U) << tail_->Transcript();  // it does not end before the replay does
  EXPECT_EQ(Json::parse(lines[0])["cursor"], "1");
  EXPECT_EQ(Json::parse(lines[1])["kind"], "POSITION");
  EXPECT_EQ(Json::parse(lines[1])["head"], 2);
}

TEST_F(TailTest, Follow_SurvivesTheDeathOfACoordinatorAndSaysSoOnce) {
  Tail({"--oldest", "--follow", "-o", "json"});
  AwaitOut(R"({"seq":2)");
  a_.Kill();
  const auto interrupted = AwaitReport("interrupted");
  EXPECT_EQ(interrupted["code"], "CANCELLED");
  const auto resumed = AwaitReport("resumed");
  EXPECT_EQ(resumed["address"], b_.address());
  EXPECT_EQ(resumed["after"], "2");
  Register("web-3");
  AwaitOut(R"({"seq":3)");
  EXPECT_EQ(Lines(Process::Stream::kErr).size(), 2U);
  EXPECT_EQ(Lines(Process::Stream::kOut).size(), 3U);
}

TEST_F(TailTest, Follow_ALongInterruptionIsSaidOnce) {
  b_.Kill();
  Tail({"--oldest", "--follow"});
  AwaitOut("-  2");
  const int before = a_.Count("subscribe");
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer&, grpc::ServerContext&) {
      return Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_DATABASE_UNAVAILABLE, "away");
    };
  });
  a_.BreakStreams();
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("subscribe") > before + 1; }));
  a_.Change([](auto& script) { script.subscribe = nullptr; });
  AwaitErr("vigil: resumed after ");
  const auto lines = Lines(Process::Stream::kErr);
  ASSERT_EQ(lines.size(), 2U) << tail_->Transcript();
  EXPECT_THAT(lines[0], HasSubstr("vigil: interrupted, and trying to go on: "));
  EXPECT_THAT(lines[1], HasSubstr(" s at " + a_.address() + ", after 2"));
}

TEST_F(TailTest, Follow_SurvivesLaggedAndDraining) {
  for (const auto reason : {v1::END_REASON_LAGGED, v1::END_REASON_DRAINING}) {
    a_.Change([&](auto& script) {
      script.subscribe = [reason](const auto&, Writer& writer, grpc::ServerContext&) {
        writer.Write(EventsMessage({1}));
        writer.Write(EndMessage(reason));
        return grpc::Status::OK;
      };
    });
    b_.Change([](auto& script) { script.subscribe = nullptr; });
    Tail({"--oldest", "--follow"});
    EXPECT_THAT(AwaitErr("vigil: interrupted, and trying to go on: "),
                HasSubstr(reason == v1::END_REASON_LAGGED ? "LAGGED" : "DRAINING"));
    AwaitErr("vigil: resumed after ");
  }
}

TEST_F(TailTest, Follow_SaysSinceWhenTheLogIsNotRead) {
  for (ScriptedCoordinator* coordinator : {&a_, &b_}) coordinator->ReadTheLog(false);
  a_.Change([](auto& script) { script.read_age = std::chrono::seconds(7); });
  Tail({"--oldest", "--follow"});
  EXPECT_THAT(AwaitErr("vigil: the log has not been read for "), HasSubstr("7.0 s"));
  a_.Change([](auto& script) { script.read_age = std::chrono::seconds(30); });
  Register("web-3");  // a coordinator that could not read it would not have it
  AwaitErr("vigil: the log is read again, after ");
  EXPECT_EQ(b_.Count("subscribe"), 0);
}

TEST_F(TailTest, Expired_HasACodeOfItsOwnAndSaysWhatToDo) {
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
      writer.Write(ExpiredMessage(120, 340));
      return grpc::Status::OK;
    };
  });
  Tail({"--after", "1", "--follow"});
  EXPECT_EQ(AwaitEnd(), 5);
  EXPECT_THAT(AwaitErr("vigil: OUT_OF_RANGE: EXPIRED"), HasSubstr("the events 120 to 340"));
  AwaitErr("Give --oldest to go on with what is retained");
  Tail({"--after", "1", "-o", "json"});
  EXPECT_EQ(AwaitEnd(), 5);
  const auto failed = Json::parse(Lines(Process::Stream::kErr).at(0));
  EXPECT_EQ(failed["event"], "failed");
  EXPECT_EQ(failed["metadata"]["oldest"], "120");
}

TEST_F(TailTest, Signal_EndsItWithTheCursorToGoOnFrom) {
  for (const int number : {SIGINT, SIGTERM}) {
    Tail({"--oldest", "--follow"});
    AwaitOut("-  2");
    tail_->Signal(number);
    EXPECT_EQ(AwaitEnd(), 0);
    EXPECT_THAT(Lines(Process::Stream::kErr), ElementsAre("vigil: stopped; go on with --after 2"));
  }
}

TEST_F(TailTest, Signal_EndsItAlsoWhenNobodyReadsItsOutput) {
  const std::string fifo = ::testing::TempDir() + "vigil-tail-" + std::to_string(getpid());
  unlink(fifo.c_str());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int reader = open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  const int room = fcntl(reader, F_SETPIPE_SZ, 4096);
  for (int i = 0; i < 500; ++i) Register("pod-" + std::to_string(i));
  Start(
      {"/bin/sh", "-c", "exec \"$0\" events tail --oldest --follow > \"$1\"", VIGIL_COMMAND, fifo});
  const Time deadline = BootClock::now() + kPatience;
  for (int size = 0; size < room && BootClock::now() < deadline; std::this_thread::yield()) {
    ASSERT_EQ(ioctl(reader, FIONREAD, &size), 0);
  }
  tail_->Signal(SIGTERM);
  EXPECT_EQ(AwaitEnd(), 0) << tail_->Transcript();
  EXPECT_THAT(Lines(Process::Stream::kErr), ElementsAre(HasSubstr("vigil: stopped")));
  close(reader);
  unlink(fifo.c_str());
}

// Nothing more happens, so that only the closed pipe can end it.
TEST_F(TailTest, ClosedOutput_EndsItQuietly) {
  Start({"/bin/bash", "-c",
         "\"$0\" events tail --oldest --follow | head -n 1; exit ${PIPESTATUS[0]}", VIGIL_COMMAND});
  EXPECT_EQ(AwaitEnd(), 0);
  EXPECT_EQ(Lines(Process::Stream::kOut).size(), 1U);
  EXPECT_THAT(Lines(Process::Stream::kErr), ElementsAre());
}

TEST_F(TailTest, FullDisk_IsAnErrorWithTheCursorToGoOnFrom) {
  Start({"/bin/sh", "-c", "exec \"$0\" events tail --after 1 > /dev/full", VIGIL_COMMAND});
  EXPECT_EQ(AwaitEnd(), 1);
  AwaitErr("vigil: DATA_LOSS: standard output: No space left on device");
  AwaitErr("go on with --after 1");
}

}  // namespace
}  // namespace vigil::client
