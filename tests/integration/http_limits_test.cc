// The HTTP side under clients that err, stall and crowd.   (P11)
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "integration/http_client.h"
#include "integration/test_server.h"
#include "support/process.h"

namespace vigil {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::string_view kEvents = "/v1/events?namespace=default";

class HttpLimitsTest : public testing::Test {
 protected:
  void Start(const CoordinatorSettings& settings, size_t http_connections = 100) {
    server_ = std::make_unique<TestServer>(database_.conninfo(), settings, http_connections);
    ASSERT_TRUE(server_->WaitUntilReady());
  }
  int port() const { return server_->http_port(); }

  TestDatabase database_;
  std::unique_ptr<TestServer> server_;
};

void ExpectRefusal(const HttpResponse& response, int status, const std::string& reason) {
  EXPECT_EQ(response.status, status) << response.head;
  const auto told = json::parse(response.body, nullptr, false);
  ASSERT_FALSE(told.is_discarded()) << response.body;
  EXPECT_EQ(told["reason"], reason);
  EXPECT_FALSE(told["message"].get<std::string>().empty());
  EXPECT_FALSE(told["hint"].get<std::string>().empty());
}

TEST_F(HttpLimitsTest, WhatIsNoRequestIsRefusedWithAReason) {
  Start({});
  const std::string target(kEvents);
  const std::string get = "GET " + target;
  const std::vector<std::tuple<std::string, int, std::string>> requests = {
      {"GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n", 404, "PROTOCOL_VIOLATION"},
      {"PUT " + target + " HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc", 405,
       "PROTOCOL_VIOLATION"},
      {get + " HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc", 413, "PROTOCOL_VIOLATION"},
      {get + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413,
       "PROTOCOL_VIOLATION"},
      {get + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", 413, "PROTOCOL_VIOLATION"},
      {get + " HTTP/1.1\r\n\r\n", 400, "PROTOCOL_VIOLATION"},
      {get + " HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400, "PROTOCOL_VIOLATION"},
      {get + "&kind=X HTTP/1.1\r\nHost: t\r\n\r\n", 400, "INVALID_FIELD"},
      {get + "&after=X HTTP/1.1\r\nHost: t\r\n\r\n", 400, "INVALID_CURSOR"},
      {get + " HTTP/1.1\r\nHost: t\r\nLast-Event-ID: 7\r\n\r\n", 400, "INVALID_CURSOR"},
      {get + " HTTP/1.1\r\nHost: t\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n", 431,
       "PROTOCOL_VIOLATION"},
      {"GET /" + std::string(40'000, 'x') + " HTTP/1.1\r\nHost: t\r\n\r\n", 431,
       "PROTOCOL_VIOLATION"},
      {"\x16\x03\x01\x02" + std::string(300, '\0') + "\r\n", 400, "PROTOCOL_VIOLATION"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "PROTOCOL_VIOLATION"},
      {"hello\r\n\r\n", 400, "PROTOCOL_VIOLATION"},
  };
  for (const auto& [request, status, reason] : requests) {
    SCOPED_TRACE(request.substr(0, 100));
    HttpClient client(port());
    client.Send(request);
    ExpectRefusal(TakeResponse(client), status, reason);
  }
  EXPECT_EQ(Fetch(port(), "/livez").status, 200);
}

TEST_F(HttpLimitsTest, RequestsThatComeTogetherAreAnsweredInOrder) {
  Start({});
  HttpClient client(port());
  client.Send(
      "HEAD /livez HTTP/1.1\r\nHost: t\r\n\r\n"
      "GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n"
      "GET /readyz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  // Which has no body, whatever its length says.
  EXPECT_EQ(client.TakeUpTo("\r\n\r\n").value_or("").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(TakeResponse(client).status, 404);
  EXPECT_THAT(TakeResponse(client).body, HasSubstr("ready"));
  EXPECT_EQ(client.TakeRest(), "");
}

// All protocols count together, and a reset makes room at once.
TEST_F(HttpLimitsTest, Sse_SubscribersAreBoundedTogetherWithThoseOfGrpc) {
  CoordinatorSettings settings;
  settings.max_subscribers = 1;
  settings.position_interval = std::chrono::hours(1);
  Start(settings);
  EventStream stream(port(), kEvents);
  ASSERT_TRUE(stream.Await("snapshot"));
  ExpectRefusal(Fetch(port(), kEvents), 503, "LIMIT_REACHED");

  v1::SubscribeRequest request;
  request.set_namespace_("default");
  request.mutable_from_now();
  v1::SubscribeResponse response;
  const auto refused = InTime();
  const auto rpc = server_->events().Subscribe(refused.get(), request);
  EXPECT_FALSE(rpc->Read(&response));
  EXPECT_EQ(InfoOf(rpc->Finish()).reason(), "LIMIT_REACHED");

  // To one that comes back any status but 200 would be the end.
  EventStream back(port(), kEvents, "Last-Event-ID: v1.0.default.0\r\n");
  EXPECT_EQ(back.status(), 200);
  const auto failed = back.Next();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->event, "failed");
  EXPECT_EQ(json::parse(failed->data)["reason"], "LIMIT_REACHED");
  EXPECT_EQ(back.last_event_id(), "");
  EXPECT_FALSE(back.Next());
  EXPECT_TRUE(back.complete());

  // No heartbeat comes within the hour: only the reset itself can make room.
  stream.client().ShutDownSending();
  stream.client().Reset();
  const Instant limit = Now() + seconds(20);
  int status = 503;
  while (status != 200 && Now() < limit) status = EventStream(port(), kEvents).status();
  EXPECT_EQ(status, 200);
}

TEST_F(HttpLimitsTest, ConnectionsAreBounded) {
  Start({}, /*http_connections=*/2);
  auto first = std::make_unique<EventStream>(port(), kEvents);
  EventStream second(port(), kEvents);
  ASSERT_TRUE(first->Await("snapshot"));
  ASSERT_TRUE(second.Await("snapshot"));
  const auto refused = Fetch(port(), kEvents);
  ExpectRefusal(refused, 503, "LIMIT_REACHED");
  EXPECT_EQ(json::parse(refused.body)["limit"], "http-connections");
  EXPECT_EQ(Fetch(port(), "/livez").status, 200);
  EXPECT_EQ(Fetch(port(), "/readyz").status, 200);
  first.reset();
  const Instant limit = Now() + seconds(20);
  int status = 503;
  while (status != 200 && Now() < limit) status = EventStream(port(), kEvents).status();
  EXPECT_EQ(status, 200);
}

// Connections cost nothing to open, and a process that seems wedged is killed.
TEST_F(HttpLimitsTest, WhoAsksForNothingMakesRoom) {
  Start({}, /*http_connections=*/3);
  HttpClient kept(port());
  kept.Get("/livez");
  EXPECT_EQ(TakeResponse(kept).status, 200);
  EventStream stream(port(), kEvents);
  ASSERT_TRUE(stream.Await("snapshot"));
  std::vector<std::unique_ptr<HttpClient>> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(std::make_unique<HttpClient>(port()));
    if (i % 2 == 1) idle.back()->Send("GET /livez HT");
  }
  EXPECT_EQ(Fetch(port(), "/livez").status, 200);
  EXPECT_EQ(kept.TakeRest(), "");
  EXPECT_EQ(idle.front()->TakeRest(), "");
  EXPECT_TRUE(stream.Await("position"));
}

// Neither who does not take its answers nor who does not go keeps a probe out.
TEST_F(HttpLimitsTest, WhoDoesNotTakeItsAnswerMakesRoom) {
  Start({}, /*http_connections=*/3);
  std::vector<std::unique_ptr<HttpClient>> stalled;
  for (int i = 0; i < 150; ++i) {
    stalled.push_back(std::make_unique<HttpClient>(port()));
    std::string requests = "GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    if (i % 2 == 1) {
      requests.clear();
      for (int k = 0; k < 200; ++k) requests += "GET /page/main.js HTTP/1.1\r\nHost: t\r\n\r\n";
    }
    stalled.back()->Send(requests);
  }
  EXPECT_EQ(Fetch(port(), "/livez").status, 200);
}

TEST_F(HttpLimitsTest, WhoDoesNotFinishARequestIsNotWaitedFor) {
  Start({});
  HttpClient silent(port());
  HttpClient kept(port());
  HttpClient slow(port());
  kept.Get("/livez");
  EXPECT_EQ(TakeResponse(kept).status, 200);
  slow.Send("GET /livez HTTP/1.1\r\nHost: t\r\n");
  ExpectRefusal(TakeResponse(slow), 408, "STREAM_IDLE");
  EXPECT_EQ(silent.TakeRest(), "");
  EXPECT_EQ(kept.TakeRest(), "");
}

// P8: a client that does not read costs what is stated, and is told where to go on.
TEST_F(HttpLimitsTest, Sse_WhoDoesNotReadHasLaggedAndCanGoOn) {
  CoordinatorSettings settings;
  settings.subscriber_queue = {.count = 4, .bytes = 64 * 1024};
  Start(settings);
  EventStream slow(port(), kEvents, "", /*receive_buffer=*/4096);
  ASSERT_TRUE(slow.Await("snapshot"));
  // Each event has 8 KB of labels.
  v1::SessionRequest registration;
  const int pods = 60;
  for (int i = 0; i < pods; ++i) {
    registration = Registration("p" + std::to_string(i));
    for (int k = 0; k < 32; ++k) {
      (*registration.mutable_register_()->mutable_labels())[std::to_string(k)] =
          std::string(250, 'x');
    }
    const auto context = InTime();
    const auto session = server_->pods().Session(context.get());
    v1::SessionResponse response;
    ASSERT_TRUE(session->Write(registration) && session->Read(&response));
    registration.Clear();
    registration.mutable_leave();
    ASSERT_TRUE(session->Write(registration) && session->Read(&response));
  }
  uint64_t last = 0;
  std::string end;
  for (auto block = slow.Next(); block; block = slow.Next()) {
    if (block->event.starts_with("POD_")) {
      ASSERT_EQ(json::parse(block->data)["seq"], std::to_string(++last));
    } else {
      end = block->event;
    }
  }
  EXPECT_EQ(end, "lagged");
  EXPECT_TRUE(slow.complete());
  EXPECT_LT(last, 2u * pods);
  EventStream again(port(), kEvents, "Last-Event-ID: " + slow.last_event_id() + "\r\n");
  while (last < 2u * pods) {
    const auto block = again.Next();
    ASSERT_TRUE(block);
    ASSERT_EQ(json::parse(block->data)["seq"], std::to_string(++last));
  }
}

// Never stuck: without a database the server answers.
TEST(HttpWithoutDatabase, AnswersAndRefuses) {
  TestServer server("host=127.0.0.1 port=1 dbname=nowhere connect_timeout=1");
  EXPECT_EQ(Fetch(server.http_port(), "/livez").status, 200);
  ExpectRefusal(Fetch(server.http_port(), "/readyz"), 503, "COORDINATOR_UNTRUSTED");
  ExpectRefusal(Fetch(server.http_port(), kEvents), 503, "DATABASE_UNAVAILABLE");
}

TEST(HttpAddress, ThatIsTakenIsRefused) {
  TestDatabase database;
  TestServer server(database.conninfo());
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  auto second = Process::Spawn(
      {.command = {*vigild, "serve", "--insecure", "true", "--listen", "127.0.0.1:0",
                   "--http-listen", "127.0.0.1:" + std::to_string(server.http_port())},
       .environment = {{"VIGIL_DATABASE", database.conninfo()}}});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ((*second)->AwaitEnd(seconds(20)), 1);
  EXPECT_THAT((*second)->Transcript(), HasSubstr("--http-listen"));
}

}  // namespace
}  // namespace vigil
