// Whole servers in process: what only shows when gRPC, the coordinator and Postgres meet.
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <set>

#include "grpc/health/v1/health.grpc.pb.h"
#include "integration/test_server.h"

namespace vigil {
namespace {

class ServerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.WaitUntilReady()); }

  v1::SubscribeRequest FromOldest() {
    v1::SubscribeRequest request;
    request.set_namespace_("default");
    request.mutable_from_oldest();
    return request;
  }

  // Reads events until one is of this kind.
  std::optional<v1::Event> AwaitEvent(TestServer& server, v1::EventKind kind) {
    const auto context = InTime();
    const auto stream = server.events().Subscribe(context.get(), FromOldest());
    v1::SubscribeResponse response;
    while (stream->Read(&response)) {
      for (const auto& event : response.events().events()) {
        if (event.kind() == kind) {
          context->TryCancel();
          return event;
        }
      }
    }
    return std::nullopt;
  }

  v1::WorkItem Start(const RawPod& pod, const std::string& key) {
    return StartWork(server_, pod, key);
  }

  TestDatabase database_;
  TestServer server_{database_.conninfo()};
};

// P3, P5: the main job, spoken by hand.
TEST_F(ServerTest, Death_ASurvivorClaimsTheOrphan) {
  RawPod doomed(server_, "doomed");
  RawPod survivor(server_, "survivor");
  const auto item = Start(doomed, "k");
  doomed.Break();
  const auto died = AwaitEvent(server_, v1::EVENT_KIND_POD_DIED);
  ASSERT_TRUE(died);
  EXPECT_EQ(died->incarnation(), doomed.incarnation());
  EXPECT_EQ(died->cause(), v1::CAUSE_STREAM_ENDED);
  EXPECT_EQ(died->orphans(), 1u);

  v1::ClaimWorkRequest claim;
  claim.set_namespace_("default");
  claim.set_key("k");
  claim.set_incarnation(survivor.incarnation());
  claim.set_expected_owner(doomed.incarnation());
  claim.set_expected_fence(item.fence());
  v1::ClaimWorkResponse claimed;
  ASSERT_TRUE(server_.work().ClaimWork(InTime().get(), claim, &claimed).ok());
  EXPECT_EQ(claimed.outcome(), v1::CLAIM_OUTCOME_CLAIMED);
  EXPECT_EQ(claimed.item().fence(), item.fence() + 1);

  // P5: what the dead still sends is refused, and told who has the item now.
  v1::CheckpointWorkRequest late;
  late.set_namespace_("default");
  late.set_key("k");
  late.set_incarnation(doomed.incarnation());
  late.set_fence(item.fence());
  v1::CheckpointWorkResponse response;
  const auto refused = server_.work().CheckpointWork(InTime().get(), late, &response);
  EXPECT_EQ(InfoOf(refused).reason(), "FENCED");
}

TEST_F(ServerTest, Registration_TellsOfThePredecessorsWork) {
  RawPod first(server_, "a");
  Start(first, "k1");
  Start(first, "k2");
  first.Break();
  ASSERT_TRUE(AwaitEvent(server_, v1::EVENT_KIND_POD_DIED));
  RawPod second(server_, "a");
  EXPECT_GT(second.incarnation(), first.incarnation());
  ASSERT_EQ(second.registered().predecessors_work_size(), 2);
  EXPECT_EQ(second.registered().predecessors_work(0).key(), "k1");
  EXPECT_TRUE(second.registered().predecessors_work(0).orphan());
}

// Several servers on one database are one cluster.
TEST_F(ServerTest, TwoCoordinators_OneCluster) {
  TestServer other(database_.conninfo());
  ASSERT_TRUE(other.WaitUntilReady());
  RawPod pod(server_, "a", v1::PROFILE_STRICT);
  RawPod moved(other, pod.registered());
  EXPECT_EQ(moved.incarnation(), pod.incarnation());
  EXPECT_NE(moved.registered().pod().session(), pod.registered().pod().session());
  EXPECT_TRUE(moved.Beat());
  const auto event = AwaitEvent(server_, v1::EVENT_KIND_POD_MOVED);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->incarnation(), pod.incarnation());
  // The old host learns of it and closes the stream that was left behind.
  EXPECT_EQ(InfoOf(pod.End()).reason(), "SESSION_TAKEN");
}

TEST_F(ServerTest, Leave_IsAnEventAndFinal) {
  RawPod pod(server_, "a");
  pod.Leave();
  EXPECT_TRUE(pod.End().ok());
  EXPECT_TRUE(AwaitEvent(server_, v1::EVENT_KIND_POD_LEFT));
}

// P8: events of one transaction are never split, and numbers never skip, across many pages.
TEST_F(ServerTest, Subscribe_Resumable) {
  for (int i = 0; i < 40; ++i) RawPod(server_, "p" + std::to_string(i)).Leave();
  auto request = FromOldest();
  uint64_t last = 0;
  while (last < 80) {
    const auto context = InTime();
    const auto stream = server_.events().Subscribe(context.get(), request);
    v1::SubscribeResponse response;
    ASSERT_TRUE(stream->Read(&response));
    for (const auto& event : response.events().events()) {
      ASSERT_EQ(event.seq(), ++last);
    }
    request.set_after_cursor(response.events().cursor());
    context->TryCancel();
  }
}

// One question to the reflection service, in the wire format: its proto is not packaged on Debian.
std::string Reflect(TestServer& server, char tag, const std::string& value) {
  const std::string question = std::string{tag, static_cast<char>(value.size())} + value;
  const grpc::Slice slice(question);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  const auto context = InTime();
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(server.channel());
  const auto stream = stub.PrepareCall(
      context.get(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag_of_step = nullptr;
  bool ok = false;
  const auto step = [&] { return queue.Next(&tag_of_step, &ok) && ok; };
  stream->StartCall(nullptr);
  EXPECT_TRUE(step());
  stream->Write(request, nullptr);
  EXPECT_TRUE(step());
  stream->Read(&response, nullptr);
  EXPECT_TRUE(step());
  context->TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  step();
  std::vector<grpc::Slice> slices;
  response.Dump(&slices);
  std::string text;
  for (const auto& part : slices)
    text.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return text;
}

TEST_F(ServerTest, Reflection_ListsAndDescribesTheServices) {
  constexpr char kListServices = 7 << 3 | 2;
  constexpr char kFileContainingSymbol = 4 << 3 | 2;
  const std::string services = Reflect(server_, kListServices, "");
  for (const char* name : {"vigil.v1.PodRegistryService", "vigil.v1.PodEventService",
                           "vigil.v1.WorkService", "grpc.health.v1.Health"}) {
    EXPECT_NE(services.find(name), std::string::npos) << name;
    EXPECT_NE(Reflect(server_, kFileContainingSymbol, name).find("proto3"), std::string::npos)
        << name;
  }
}

// Never stuck: without a database the server answers, and says what is wrong.
TEST(ServerWithoutDatabase, AnswersAndRefuses) {
  TestServer server("host=127.0.0.1 port=1 dbname=nowhere connect_timeout=1");
  const auto health = grpc::health::v1::Health::NewStub(server.channel());
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(
      health->Check(InTime().get(), grpc::health::v1::HealthCheckRequest(), &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);

  const auto status = GetPod(server, "a");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(status).reason(), "DATABASE_UNAVAILABLE");

  const auto context = InTime();
  const auto stream = server.pods().Session(context.get());
  v1::SessionRequest registration;
  registration.mutable_register_()->set_namespace_("default");
  registration.mutable_register_()->set_name("a");
  registration.mutable_register_()->set_registration_id("0123456789abcdef");
  stream->Write(registration);
  v1::SessionResponse answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(InfoOf(stream->Finish()).reason(), "COORDINATOR_UNTRUSTED");
}

}  // namespace
}  // namespace vigil
