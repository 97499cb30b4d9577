// The event log over HTTP: what a client can rely on.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "core/cursor.h"
#include "integration/http_client.h"
#include "integration/test_server.h"
#include "support/process.h"

namespace vigil {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kEvents = "/v1/events?namespace=default";

std::string Events(std::string_view more) { return std::string(kEvents) + std::string(more); }

std::string From(const std::string& id) { return "Last-Event-ID: " + id + "\r\n"; }

uint64_t SeqOf(const StreamBlock& block) {
  return std::stoull(json::parse(block.data).at("seq").get<std::string>());
}

class HttpEventsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.WaitUntilReady()); }

  int port() const { return server_.http_port(); }

  static CoordinatorSettings FrequentHeartbeats() {
    CoordinatorSettings settings;
    settings.position_interval = std::chrono::milliseconds(50);
    return settings;
  }

  TestDatabase database_;
  TestServer server_{database_.conninfo(), FrequentHeartbeats()};
};

TEST_F(HttpEventsTest, Sse_BeginsWithASnapshotAndGoesOnLive) {
  RawPod pod(server_, "a");
  EventStream stream(port(), kEvents);
  EXPECT_EQ(stream.status(), 200);
  EXPECT_THAT(stream.head(), HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(stream.head(), HasSubstr("Cache-Control: no-store\r\n"));
  const auto snapshot = stream.Next();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->event, "snapshot");
  EXPECT_EQ(json::parse(snapshot->data)["pods"][0]["name"], "a");
  EXPECT_EQ(snapshot->last_event_id, json::parse(snapshot->data)["cursor"]);
  EXPECT_GE(std::stoi(stream.retry()), 1000);
  EXPECT_LE(std::stoi(stream.retry()), 3000);
  pod.Leave();
  const auto left = stream.Await("POD_LEFT");
  ASSERT_TRUE(left);
  EXPECT_EQ(SeqOf(*left), 2u);
  EXPECT_TRUE(ParseCursor(left->last_event_id, "default"));
}

// Both worlds say the same.
TEST_F(HttpEventsTest, Sse_SaysWhatGrpcSays) {
  RawPod(server_, "a").Leave();
  RawPod b(server_, "b");
  v1::SubscribeRequest request;
  request.set_namespace_("default");
  request.mutable_from_oldest();
  const auto context = InTime();
  const auto rpc = server_.events().Subscribe(context.get(), request);
  EventStream stream(port(), Events("&from=oldest"));
  v1::SubscribeResponse response;
  int compared = 0;
  while (compared < 3 && rpc->Read(&response)) {
    for (const auto& event : response.events().events()) {
      std::string printed;
      ASSERT_TRUE(google::protobuf::util::MessageToJsonString(event, &printed).ok());
      const auto block = stream.Next();
      ASSERT_TRUE(block);
      EXPECT_EQ(json::parse(block->data), json::parse(printed));
      ++compared;
    }
    EXPECT_EQ(stream.last_event_id(), response.events().cursor());
  }
  EXPECT_EQ(compared, 3);
  context->TryCancel();
}

// P8: every event once, in order, however often the stream is cut.
TEST_F(HttpEventsTest, Sse_ResumesAfterTheLastEventId) {
  for (int i = 0; i < 20; ++i) RawPod(server_, "p" + std::to_string(i)).Leave();
  uint64_t last = 0;
  std::string id;
  while (last < 40) {
    // As a browser does: the target stays the same.
    EventStream stream(port(), Events("&from=oldest"), id.empty() ? "" : From(id));
    for (int i = 0; i < 7 && last < 40; ++i) {
      const auto block = stream.Next();
      ASSERT_TRUE(block);
      ASSERT_EQ(SeqOf(*block), ++last);
      id = block->last_event_id;
    }
  }
}

TEST_F(HttpEventsTest, Sse_FiltersByKindAndMovesOnByWhatItLeavesOut) {
  EventStream all(port(), kEvents);
  EventStream left(port(), Events("&kind=POD_LEFT"));
  ASSERT_TRUE(all.Await("snapshot") && left.Await("snapshot"));
  RawPod pod(server_, "a");
  const auto registered = all.Await("POD_REGISTERED");
  ASSERT_TRUE(registered);
  // The same position, without the event.
  EXPECT_TRUE(left.AwaitId(registered->last_event_id));
  pod.Leave();
  const auto block = left.Await("POD_LEFT");
  ASSERT_TRUE(block);
  EXPECT_EQ(SeqOf(*block), 2u);
}

TEST_F(HttpEventsTest, Sse_HeartbeatsTellThePositionAndTheAgeOfTheLastReading) {
  RawPod(server_, "a").Leave();
  EventStream stream(port(), Events("&from=oldest"));
  // Where replay ends.
  const auto position = stream.Await("position");
  ASSERT_TRUE(position);
  const json told = json::parse(position->data);
  EXPECT_EQ(told["cursor"], position->last_event_id);
  EXPECT_EQ(told["head"], "2");
  EXPECT_EQ(told["oldest"], "1");
  EXPECT_THAT(told["readAge"].get<std::string>(), testing::EndsWith("s"));
  EXPECT_GE(stream.comments(), 1);
}

// P8
TEST_F(HttpEventsTest, Sse_ExpiredIsToldOnceAndThenToStop) {
  RawPod(server_, "a").Leave();
  const std::string lost = FormatCursor({{{1}, {0xdead}}, "default"});
  EventStream stream(port(), kEvents, From(lost));
  EXPECT_EQ(stream.status(), 200);
  const auto expired = stream.Await("expired");
  ASSERT_TRUE(expired);
  const json told = json::parse(expired->data);
  EXPECT_EQ(told["reason"], "END_REASON_EXPIRED");
  EXPECT_EQ(told["oldest"], "1");
  EXPECT_EQ(told["head"], "2");
  EXPECT_FALSE(stream.Next());
  EXPECT_TRUE(stream.complete());
  // What an EventSource would do next.
  const auto again = Fetch(port(), kEvents, From(expired->last_event_id));
  EXPECT_EQ(again.status, 204);
}

// P8
TEST_F(HttpEventsTest, Sse_DrainingIsToldAndTheServerStopsInTime) {
  EventStream stream(port(), kEvents);
  ASSERT_TRUE(stream.Await("snapshot"));
  const Instant asked = Now();
  server_.Stop();
  EXPECT_LT(Now() - asked, seconds(5));
  const auto draining = stream.Await("draining");
  ASSERT_TRUE(draining);
  EXPECT_EQ(json::parse(draining->data)["cursor"], stream.last_event_id());
  EXPECT_FALSE(stream.Next());
  EXPECT_TRUE(stream.complete());
}

TEST_F(HttpEventsTest, Sse_ClientsOfTheOldProtocolGetNoChunks) {
  HttpClient client(port());
  client.Send("GET " + std::string(kEvents) + " HTTP/1.0\r\n\r\n");
  const auto head = client.TakeUpTo("\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->find("chunked"), std::string::npos);
  EXPECT_THAT(client.TakeUpTo("\n\n").value_or(""), testing::StartsWith("retry: "));
  EXPECT_THAT(client.TakeUpTo("\n\n").value_or(""), testing::StartsWith("event: snapshot\n"));
}

// Scripts shut down the side that they do not use.
TEST_F(HttpEventsTest, Sse_AHalfClosedClientKeepsItsStream) {
  EventStream stream(port(), kEvents);
  ASSERT_TRUE(stream.Await("snapshot"));
  stream.client().ShutDownSending();
  RawPod(server_, "a").Leave();
  EXPECT_TRUE(stream.Await("POD_REGISTERED"));
  EXPECT_TRUE(stream.Await("POD_LEFT"));
}

TEST_F(HttpEventsTest, Sse_CurlFollows) {
  const auto curl = Process::Spawn(
      {.command = {"curl", "-sSN", "--fail-with-body",
                   "http://127.0.0.1:" + std::to_string(port()) + Events("&kind=POD_LEFT")}});
  ASSERT_TRUE(curl) << curl.error().message;
  const auto line = [&](const std::string& begin) {
    return (*curl)->AwaitLine(
        [&](const Process::Line& read) { return read.text.starts_with(begin); }, seconds(20));
  };
  ASSERT_TRUE(line("event: snapshot")) << (*curl)->Transcript();
  RawPod(server_, "a").Leave();
  EXPECT_TRUE(line("event: POD_LEFT")) << (*curl)->Transcript();
  EXPECT_TRUE(line("data: {\"seq\":\"2\",\"kind\":\"EVENT_KIND_POD_LEFT\""))
      << (*curl)->Transcript();
  EXPECT_THAT((*curl)->Transcript(), Not(HasSubstr("event: POD_REGISTERED")));
}

}  // namespace
}  // namespace vigil
