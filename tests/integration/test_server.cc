#include "integration/test_server.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace vigil {
namespace {

constexpr int64_t kLongMillis = 20'000;

Config ConfigOf(const CoordinatorSettings& settings, size_t http_connections,
                Duration database_deadline) {
  Config config;
  config.insecure = true;
  config.listen = "127.0.0.1:0";
  config.http_listen = "127.0.0.1:0";
  config.http_connections = http_connections;
  config.database_deadline = database_deadline;
  config.drain_timeout = std::chrono::seconds(2);
  config.coordinator = settings;
  return config;
}

// Registers once, and leaves at once if it was let in.
grpc::Status TryToRegister(TestServer& server) {
  const auto context = InTime();
  const auto stream = server.pods().Session(context.get());
  stream->Write(Registration("newcomer"));
  v1::SessionResponse response;
  if (!stream->Read(&response)) return stream->Finish();
  v1::SessionRequest farewell;
  farewell.mutable_leave();
  stream->Write(farewell);
  while (stream->Read(&response)) {
  }
  return stream->Finish();
}

}  // namespace

TestServer::TestServer(const std::string& conninfo, CoordinatorSettings settings,
                       size_t http_connections, Duration database_deadline, pg::Names names)
    : database_(loop_, log_loop_,
                {.conninfo = conninfo,
                 .operation_deadline = database_deadline,
                 .names = std::move(names)}),
      server_(loop_, log_loop_, database_,
              ConfigOf(settings, http_connections, database_deadline)) {
  const auto started = server_.Start();
  EXPECT_TRUE(started) << started.error().message;
  server_.Join();
  // A channel of its own: gRPC shares connections between channels with equal arguments.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  pods_ = v1::PodRegistryService::NewStub(channel_);
  events_ = v1::PodEventService::NewStub(channel_);
  work_ = v1::WorkService::NewStub(channel_);
}

TestServer::~TestServer() { server_.Abandon(); }

bool TestServer::WaitUntilReady() {
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto context = InTime();
  const auto watch = health->Watch(context.get(), grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse response;
  while (watch->Read(&response)) {
    if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) {
      context->TryCancel();
      return true;
    }
  }
  return false;
}

std::unique_ptr<grpc::ClientContext> InTime() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(gpr_time_from_millis(kLongMillis, GPR_TIMESPAN));
  return context;
}

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() == 1) {
    details.details(0).UnpackTo(&info);
  }
  return info;
}

grpc::Status GetPod(TestServer& server, const std::string& name, v1::Pod* pod) {
  v1::GetPodRequest request;
  request.set_namespace_("default");
  request.set_name(name);
  v1::GetPodResponse response;
  grpc::Status status = server.pods().GetPod(InTime().get(), request, &response);
  if (pod != nullptr) *pod = response.pod();
  return status;
}

v1::SessionRequest Registration(const std::string& name, v1::Profile profile) {
  static int count = 0;
  v1::SessionRequest request;
  request.mutable_register_()->set_namespace_("default");
  request.mutable_register_()->set_name(name);
  request.mutable_register_()->set_registration_id("integration-test-" + std::to_string(++count));
  request.mutable_register_()->set_profile(profile);
  return request;
}

v1::SessionRequest Resumption(const v1::Registered& registered) {
  v1::SessionRequest request;
  request.mutable_resume()->set_namespace_("default");
  request.mutable_resume()->set_incarnation(registered.pod().incarnation());
  request.mutable_resume()->set_session_token(registered.session_token());
  return request;
}

RawPod::RawPod(TestServer& server, const std::string& name, v1::Profile profile)
    : stream_(server.pods().Session(context_.get())) {
  stream_->Write(Registration(name, profile));
  v1::SessionResponse response;
  EXPECT_TRUE(stream_->Read(&response)) << stream_->Finish().error_message();
  EXPECT_TRUE(response.has_registered());
  registered_ = response.registered();
  EXPECT_TRUE(Beat());
}

RawPod::RawPod(TestServer& server, const v1::Registered& registered)
    : stream_(server.pods().Session(context_.get())), registered_(registered) {
  stream_->Write(Resumption(registered));
  v1::SessionResponse response;
  EXPECT_TRUE(stream_->Read(&response)) << stream_->Finish().error_message();
  EXPECT_TRUE(response.has_resumed());
  *registered_.mutable_pod() = response.resumed().pod();
  EXPECT_TRUE(Beat());
}

bool RawPod::Beat() {
  v1::SessionRequest request;
  request.mutable_heartbeat()->set_number(++heartbeats_);
  v1::SessionResponse response;
  return stream_->Write(request) && stream_->Read(&response) &&
         response.heartbeat().lease_granted();
}

void RawPod::Leave() {
  v1::SessionRequest request;
  request.mutable_leave();
  v1::SessionResponse response;
  EXPECT_TRUE(stream_->Write(request) && stream_->Read(&response) && response.has_left());
}

void RawPod::Break() { context_->TryCancel(); }

grpc::Status RawPod::End() {
  v1::SessionResponse response;
  while (stream_->Read(&response)) {
  }
  return stream_->Finish();
}

v1::WorkItem StartWork(TestServer& server, const RawPod& pod, const std::string& key) {
  v1::StartWorkRequest request;
  request.set_namespace_("default");
  request.set_key(key);
  request.set_incarnation(pod.incarnation());
  v1::StartWorkResponse response;
  const auto context = InTime();
  EXPECT_TRUE(server.work().StartWork(context.get(), request, &response).ok());
  EXPECT_EQ(response.outcome(), v1::START_OUTCOME_STARTED);
  return response.item();
}

grpc::Status AwaitAnswer(TestServer& server, RawPod& pod, grpc::StatusCode code) {
  const SystemClock clock;
  const Instant limit = clock.Now() + std::chrono::seconds(15);
  grpc::Status answer = TryToRegister(server);
  while (answer.error_code() != code && clock.Now() < limit) {
    EXPECT_TRUE(pod.Beat());
    answer = TryToRegister(server);
  }
  return answer;
}

}  // namespace vigil
