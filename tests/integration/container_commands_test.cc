// What containers without a shell are asked and told by: `vigild healthcheck` and `vigild prestop`.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <optional>

#include "http/ask.h"
#include "integration/test_server.h"
#include "support/process.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Ge;
using testing::HasSubstr;

constexpr char kNowhere[] = "host=127.0.0.1 port=1 connect_timeout=1";

struct Outcome {
  int exit_code = -1;
  std::string said;
};

Outcome RunVigild(std::vector<std::string> words,
                  std::map<std::string, std::string> environment = {}) {
  const auto vigild = FindBuilt("vigild");
  EXPECT_TRUE(vigild) << vigild.error().message;
  words.insert(words.begin(), *vigild);
  const auto process =
      Process::Spawn({.command = std::move(words), .environment = std::move(environment)});
  EXPECT_TRUE(process) << process.error().message;
  const std::optional<int> code = (*process)->AwaitEnd(seconds(20));
  return {code.value_or(-1), (*process)->Transcript()};
}

std::string HttpAddress(const TestServer& server) {
  return "127.0.0.1:" + std::to_string(server.http_port());
}

// Listens on 127.0.0.1 and does nothing more until it is told to.
class Listener {
 public:
  Listener() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(socket_, 1), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void Close() { close(std::exchange(socket_, -1)); }

  // Sends this to the first who comes, and closes.
  void Answer(const std::string& text) {
    const int caller = accept(socket_, nullptr, nullptr);
    size_t sent = 0;
    for (ssize_t more = 1; more > 0 && sent < text.size(); sent += static_cast<size_t>(more)) {
      more = send(caller, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (more < 0) break;
    }
    close(caller);
  }

 private:
  int socket_;
  int port_ = 0;
};

// What Ask makes of this answer.
Result<HttpReply> AskOneThatAnswers(const std::string& text) {
  Listener listener;
  auto asked = std::async(std::launch::async,
                          [&] { return Ask(listener.address(), "/livez", seconds(20)); });
  listener.Answer(text);
  return asked.get();
}

TEST(Healthcheck, YesWhenTheCoordinatorLivesAndServes) {
  TestDatabase database;
  TestServer server(database.conninfo());
  ASSERT_TRUE(server.WaitUntilReady());
  EXPECT_EQ(RunVigild({"healthcheck", "--http", HttpAddress(server)}).exit_code, 0);
  const Outcome ready = RunVigild({"healthcheck", "--ready", "--http", HttpAddress(server)});
  EXPECT_EQ(ready.exit_code, 0) << ready.said;
  EXPECT_THAT(ready.said, HasSubstr("ready"));
}

TEST(Healthcheck, AsksWhereServeListens) {
  TestServer server(kNowhere);
  const std::string everywhere = "0.0.0.0:" + std::to_string(server.http_port());
  const Outcome outcome = RunVigild({"healthcheck"}, {{"VIGIL_HTTP_LISTEN", everywhere}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.said;
}

TEST(Healthcheck, WithoutADatabaseItLivesAndIsNotReady) {
  TestServer server(kNowhere);
  EXPECT_EQ(RunVigild({"healthcheck", "--http", HttpAddress(server)}).exit_code, 0);
  const Outcome ready = RunVigild({"healthcheck", "--ready", "--http", HttpAddress(server)});
  EXPECT_EQ(ready.exit_code, 1);
  EXPECT_THAT(ready.said, HasSubstr("not ready: " + HttpAddress(server) + " answers 503"));
  EXPECT_THAT(ready.said, HasSubstr("COORDINATOR_UNTRUSTED"));
}

TEST(Healthcheck, NobodyThereIsNoAndSaysWhereToLook) {
  Listener listener;
  listener.Close();
  const Outcome outcome = RunVigild({"healthcheck", "--http", listener.address()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.said, HasSubstr(listener.address() + " does not answer: Connection refused"));
  EXPECT_THAT(outcome.said, HasSubstr("--http-listen"));
}

// P11
TEST(Healthcheck, SilenceIsNotWaitedForLongerThanAsked) {
  const Listener silent;
  const auto reply = Ask(silent.address(), "/livez", milliseconds(100));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(reply.error().message, HasSubstr("does not answer"));
}

// P11
TEST(Healthcheck, WhatIsNoAnswerIsRefused) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const auto small = AskOneThatAnswers(head + "4\r\n\r\nfine");
  ASSERT_TRUE(small) << small.error().message;
  EXPECT_EQ(small->status, 200);
  EXPECT_EQ(small->body, "fine");
  for (const std::string& text :
       {std::string(), std::string("SSH-2.0-OpenSSH_9.2\r\n"), head + "4\r\n\r\nfi",
        head + "65537\r\n\r\n" + std::string(65537, 'x'),
        "HTTP/1.1 200 OK\r\n\r\n" + std::string(65537, 'x'),
        "HTTP/1.1 200 OK\r\nX: " + std::string(1'000'000, 'x')}) {
    const auto reply = AskOneThatAnswers(text);
    ASSERT_FALSE(reply) << text.substr(0, 40);
    EXPECT_EQ(reply.error().code, Code::kUnavailable) << text.substr(0, 40);
  }
}

TEST(Healthcheck, WrongUsageIsNotTakenForAnAnswer) {
  const Outcome address = RunVigild({"healthcheck", "--http", "nonsense"});
  EXPECT_THAT(address.exit_code, Ge(2));
  EXPECT_THAT(address.said, HasSubstr("'nonsense' is not an address"));
  const Outcome off = RunVigild({"healthcheck"}, {{"VIGIL_HTTP_LISTEN", "off"}});
  EXPECT_THAT(off.exit_code, Ge(2));
  EXPECT_THAT(off.said, HasSubstr("'off' is not an address"));
}

TEST(PreStop, WaitsThatLong) {
  const Instant begin = Now();
  const Outcome outcome = RunVigild({"prestop", "--delay", "300ms"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.said;
  EXPECT_THAT(Now() - begin, Ge(Duration(milliseconds(300))));
}

TEST(PreStop, ASignalEndsItEarly) {
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto process = Process::Spawn({.command = {*vigild, "prestop", "--delay", "1h"}});
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE((*process)->AwaitLine([](const Process::Line&) { return true; }, seconds(20)));
    (*process)->Signal(signal);
    EXPECT_EQ((*process)->AwaitEnd(seconds(20)), 0) << (*process)->Transcript();
  }
}

TEST(PreStop, WrongUsageIsRefused) {
  for (const char* delay : {"5", "0s", "-1s", "2d", "soon"}) {
    const Outcome outcome = RunVigild({"prestop", std::string("--delay=") + delay});
    EXPECT_THAT(outcome.exit_code, Ge(2)) << delay;
    EXPECT_THAT(outcome.said, HasSubstr("is not a duration")) << delay;
  }
}

}  // namespace
}  // namespace vigil
