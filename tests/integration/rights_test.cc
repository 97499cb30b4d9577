// Who may do what, with a real process, and what becomes of streams when that changes.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>

#include "access/rights.h"
#include "core/errors.h"
#include "integration/http_client.h"
#include "integration/secure_server.h"
#include "integration/test_server.h"

namespace vigil {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

constexpr auto kPatience = std::chrono::seconds(30);

constexpr char kWeb[] = "token-of-the-web-pods";
constexpr char kNextWeb[] = "next-token-of-the-web-pods";
constexpr char kOther[] = "token-of-the-other-pods";
constexpr char kOps[] = "token-of-the-operators";
constexpr char kNobody[] = "token-without-a-grant";
constexpr char kUnknown[] = "token-that-nobody-has";

constexpr char kTokens[] =
    "web token-of-the-web-pods\n"
    "web next-token-of-the-web-pods\n"
    "other token-of-the-other-pods\n"
    "ops token-of-the-operators\n"
    "nobody token-without-a-grant\n";
constexpr char kGrants[] =
    "web default member,claimer,subscriber\n"
    "other default member,claimer,subscriber\n"
    "spiffe://example/web default member\n"
    "ops * operator\n";

// A session, spoken by hand.
class Pod {
 public:
  Pod(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
      : stub_(v1::PodRegistryService::NewStub(channel)) {
    if (!token.empty()) context_->AddMetadata("authorization", "Bearer " + token);
    stream_ = stub_->Session(context_.get());
  }

  // Whether it was registered, or resumed.
  bool Register(const std::string& name) {
    stream_->Write(Registration(name));
    v1::SessionResponse response;
    if (!stream_->Read(&response) || !response.has_registered()) return false;
    registered_ = response.registered();
    return true;
  }
  bool Resume(const v1::Registered& registered) {
    v1::SessionRequest request;
    request.mutable_resume()->set_namespace_("default");
    request.mutable_resume()->set_incarnation(registered.pod().incarnation());
    request.mutable_resume()->set_session_token(registered.session_token());
    stream_->Write(request);
    v1::SessionResponse response;
    return stream_->Read(&response) && response.has_resumed();
  }
  // Whether the lease was granted.
  bool Beat() {
    v1::SessionRequest request;
    request.mutable_heartbeat()->set_number(++heartbeats_);
    v1::SessionResponse response;
    return stream_->Write(request) && stream_->Read(&response) &&
           response.heartbeat().lease_granted();
  }
  // Heartbeats until none is answered with a lease; the status at the end.
  grpc::Status BeatToTheEnd() {
    const Instant limit = Now() + kPatience;
    while (Beat()) {
      if (Now() < limit) continue;
      ADD_FAILURE() << "the session goes on";
      context_->TryCancel();
    }
    return End();
  }
  grpc::Status End() {
    v1::SessionResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }

  const v1::Registered& registered() const { return registered_; }
  uint64_t incarnation() const { return registered_.pod().incarnation(); }

 private:
  std::unique_ptr<v1::PodRegistryService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_ = InTime();
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
  v1::Registered registered_;
  uint64_t heartbeats_ = 0;
};

// A subscription from now on.
class Follower {
 public:
  Follower(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
      : stub_(v1::PodEventService::NewStub(channel)) {
    if (!token.empty()) context_->AddMetadata("authorization", "Bearer " + token);
    v1::SubscribeRequest request;
    request.set_namespace_("default");
    request.mutable_from_now();
    stream_ = stub_->Subscribe(context_.get(), request);
  }

  bool ReadOne() {
    v1::SubscribeResponse response;
    return stream_->Read(&response);
  }
  grpc::Status End() {
    while (ReadOne()) {
    }
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::PodEventService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_ = InTime();
  std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> stream_;
};

class RightsTest : public testing::Test {
 protected:
  void Serve(const std::string& tokens = kTokens, const std::string& grants = kGrants) {
    server_.Serve({"--tls-client-ca", server_.authority().certificate(), "--tokens",
                   server_.Write("tokens", tokens), "--grants", server_.Write("grants", grants)});
    channel_ = server_.Channel();
  }

  // What no log may hold, whatever happened in the test.
  void TearDown() override {
    const std::string logged = server_.process().Transcript();
    for (const char* token : {kWeb, kNextWeb, kOther, kOps, kNobody, kUnknown}) {
      EXPECT_THAT(logged, Not(HasSubstr(token)));
    }
  }

  // Any rpc, as a call with one message.
  grpc::Status Call(const Right& right, const grpc::ByteBuffer& request, const std::string& token) {
    grpc::GenericStub stub(channel_);
    const auto context = InTime();
    if (!token.empty()) context->AddMetadata("authorization", "Bearer " + token);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(context.get(), "/" + std::string(right.name), grpc::StubOptions(), &request,
                   &response, [&](grpc::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }

  grpc::Status Start(const std::string& token, uint64_t incarnation, const std::string& key) {
    v1::StartWorkRequest request;
    request.set_namespace_("default");
    request.set_key(key);
    request.set_incarnation(incarnation);
    v1::StartWorkResponse response;
    const auto context = InTime();
    context->AddMetadata("authorization", "Bearer " + token);
    return v1::WorkService::NewStub(channel_)->StartWork(context.get(), request, &response);
  }

  SecureServer server_;
  std::shared_ptr<grpc::Channel> channel_;
};

void ExpectRefusal(const grpc::Status& status, StatusCode code, std::string_view reason) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  const auto info = InfoOf(status);
  EXPECT_EQ(info.reason(), reason);
  EXPECT_NE(info.metadata().at("hint"), "");
  EXPECT_THAT(status.error_message() + info.DebugString(), Not(HasSubstr("token-")));
}

grpc::ByteBuffer BytesOf(const google::protobuf::Message& message) {
  const grpc::Slice bytes(message.SerializeAsString());
  return {&bytes, 1};
}

TEST_F(RightsTest, EveryRpcWantsACallerThatItKnowsAndAGrant) {
  Serve();
  v1::SubscribeRequest subscribe;
  subscribe.set_namespace_("default");
  subscribe.mutable_from_now();
  for (const Right& right : Rights()) {
    SCOPED_TRACE(right.name);
    const grpc::ByteBuffer request = right.rpc == Rpc::kSession     ? BytesOf(Registration("a"))
                                     : right.rpc == Rpc::kSubscribe ? BytesOf(subscribe)
                                                                    : BytesOf(v1::GetPodRequest());
    ExpectRefusal(Call(right, request, ""), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
    ExpectRefusal(Call(right, request, kUnknown), StatusCode::UNAUTHENTICATED,
                  reason::kCallerUnknown);
    ExpectRefusal(Call(right, request, kNobody), StatusCode::PERMISSION_DENIED,
                  reason::kNotGranted);
  }
}

TEST_F(RightsTest, ACertificateIsAnIdentity) {
  Serve();
  const auto shown = server_.Issue("client", "URI:spiffe://example/web");
  Pod pod(server_.Channel(&shown), "");
  EXPECT_TRUE(pod.Register("certified"));
  EXPECT_TRUE(pod.Beat());
  const auto stranger = server_.Issue("stranger", "URI:spiffe://example/other");
  Pod other(server_.Channel(&stranger), "");
  EXPECT_FALSE(other.Register("stranger"));
  ExpectRefusal(other.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
}

// A handshake that resumes a TLS session does not look at the certificate.
TEST_F(RightsTest, ACertificateThatHasExpiredEndsWhatLivesByItAndIsNotResumed) {
  Serve(kTokens, "brief default member,subscriber\n");
  const auto issued = server_.authority().IssueFor("brief", 6);
  ASSERT_TRUE(issued) << issued.error().message;
  const std::unique_ptr<grpc_ssl_session_cache, decltype(&grpc_ssl_session_cache_destroy)> sessions(
      grpc_ssl_session_cache_create_lru(8), grpc_ssl_session_cache_destroy);
  const auto channel = server_.Channel(&*issued, sessions.get());
  Pod pod(channel, "");
  ASSERT_TRUE(pod.Register("brief"));
  Follower follower(channel, "");
  ASSERT_TRUE(follower.ReadOne());

  while (pod.Beat() && follower.ReadOne()) {
  }
  ExpectRefusal(follower.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  Pod again(server_.Channel(&*issued, sessions.get()), "");
  EXPECT_FALSE(again.Resume(pod.registered()));
  ExpectRefusal(again.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  Pod anew(server_.Channel(&*issued), "");
  EXPECT_FALSE(anew.Resume(pod.registered()));
  EXPECT_EQ(anew.End().error_code(), StatusCode::UNAVAILABLE) << "no session is resumed";
}

TEST_F(RightsTest, AWithdrawnGrantEndsSessionsAndSubscriptions) {
  Serve();
  Pod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  Follower follower(channel_, kWeb);
  ASSERT_TRUE(follower.ReadOne());
  Pod unharmed(channel_, kOther);
  ASSERT_TRUE(unharmed.Register("b"));

  server_.Write("grants", "other default member,claimer,subscriber\n");
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
  ExpectRefusal(follower.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
  EXPECT_TRUE(unharmed.Beat());

  Pod again(channel_, kWeb);
  EXPECT_FALSE(again.Resume(pod.registered()));
  ExpectRefusal(again.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
}

TEST_F(RightsTest, ATokenCanBeReplacedWhileBothAreGood) {
  Serve();
  Pod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  Follower follower(channel_, kWeb);
  ASSERT_TRUE(follower.ReadOne());
  Pod moved(channel_, kNextWeb);
  ASSERT_TRUE(moved.Register("b"));

  server_.Write("tokens", "web next-token-of-the-web-pods\n");
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  ExpectRefusal(follower.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  EXPECT_TRUE(moved.Beat());
  Pod resumed(channel_, kNextWeb);
  EXPECT_TRUE(resumed.Resume(pod.registered())) << "the identity is the same";
}

TEST_F(RightsTest, AFileThatHasBecomeBadChangesNothing) {
  Serve();
  Pod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  server_.Write("grants", "web default everything\n");
  const auto complaint = server_.process().AwaitLine(
      [](const Process::Line& line) {
        return line.text.find("What was in force stays") != std::string::npos;
      },
      kPatience);
  ASSERT_TRUE(complaint) << server_.process().Transcript();
  EXPECT_THAT(complaint->text, HasSubstr("line 1"));
  EXPECT_TRUE(pod.Beat());
  Pod newcomer(channel_, kOther);
  EXPECT_TRUE(newcomer.Register("b"));
}

TEST_F(RightsTest, ASessionIsResumedByItsOwnIdentityAlone) {
  Serve();
  Pod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  ASSERT_TRUE(pod.Beat());
  for (const char* token : {kOther, kOps}) {
    Pod thief(channel_, token);
    EXPECT_FALSE(thief.Resume(pod.registered()));
    ExpectRefusal(thief.End(), StatusCode::PERMISSION_DENIED, reason::kIdentityMismatch);
  }
  EXPECT_TRUE(pod.Beat());
}

TEST_F(RightsTest, AClaimerActsForItsOwnPodsAlone) {
  Serve();
  Pod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  EXPECT_TRUE(Start(kWeb, pod.incarnation(), "one").ok());
  EXPECT_TRUE(Start(kNextWeb, pod.incarnation(), "two").ok());
  ExpectRefusal(Start(kOther, pod.incarnation(), "three"), StatusCode::PERMISSION_DENIED,
                reason::kIdentityMismatch);
  EXPECT_TRUE(Start(kOps, pod.incarnation(), "four").ok()) << "an operator may";
}

TEST_F(RightsTest, TheLogOverHttpWantsABearersToken) {
  Serve();
  constexpr std::string_view kEvents = "/v1/events?namespace=default";
  const auto bearer = [](const char* token) {
    return "Authorization: Bearer " + std::string(token) + "\r\n";
  };
  const int port = server_.http_port();
  EXPECT_EQ(Fetch(port, "/livez").status, 200);
  const HttpResponse bare = Fetch(port, kEvents);
  EXPECT_EQ(bare.status, 401);
  EXPECT_THAT(bare.head, HasSubstr("WWW-Authenticate: Bearer"));
  EXPECT_THAT(bare.body, HasSubstr("CALLER_UNKNOWN"));
  EXPECT_EQ(Fetch(port, kEvents, bearer(kUnknown)).status, 401);
  EXPECT_EQ(Fetch(port, kEvents, bearer(kNobody)).status, 403);

  EventStream stream(port, kEvents, bearer(kWeb));
  ASSERT_EQ(stream.status(), 200);
  ASSERT_TRUE(stream.Next());
  server_.Write("grants", "web default member\n");
  const auto failed = stream.Await("failed");
  ASSERT_TRUE(failed);
  EXPECT_THAT(failed->data, HasSubstr("NOT_GRANTED"));
}

}  // namespace
}  // namespace vigil
