// A real process with TLS and rights, and pods and followers that speak the contract by hand.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "access/rights.h"
#include "core/errors.h"
#include "integration/http_client.h"
#include "integration/secure_server.h"
#include "integration/test_server.h"

namespace vigil {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

inline constexpr auto kPatience = std::chrono::seconds(30);

inline constexpr char kWeb[] = "token-of-the-web-pods";
inline constexpr char kNextWeb[] = "next-token-of-the-web-pods";
inline constexpr char kOther[] = "token-of-the-other-pods";
inline constexpr char kOps[] = "token-of-the-operators";
inline constexpr char kNobody[] = "token-without-a-grant";
inline constexpr char kUnknown[] = "token-that-nobody-has";

inline constexpr char kTokens[] =
    "web token-of-the-web-pods\n"
    "web next-token-of-the-web-pods\n"
    "other token-of-the-other-pods\n"
    "ops token-of-the-operators\n"
    "nobody token-without-a-grant\n";
inline constexpr char kGrants[] =
    "web default member,claimer,subscriber\n"
    "other default member,claimer,subscriber\n"
    "spiffe://example/web default member\n"
    "ops * operator\n";

// What no log may hold; the pods add what they are given.
inline std::vector<std::string>& SessionTokens() {
  static std::vector<std::string> tokens;
  return tokens;
}

// A session, spoken by hand.
class TokenPod {
 public:
  TokenPod(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
      : stub_(v1::PodRegistryService::NewStub(channel)) {
    if (!token.empty()) context_->AddMetadata("authorization", "Bearer " + token);
    stream_ = stub_->Session(context_.get());
  }

  // Whether it was registered, or resumed.
  bool Register(const std::string& name) { return Register(Registration(name)); }
  bool Register(const v1::SessionRequest& registration) {
    stream_->Write(registration);
    v1::SessionResponse response;
    if (!stream_->Read(&response) || !response.has_registered()) return false;
    registered_ = response.registered();
    SessionTokens().push_back(registered_.session_token());
    return true;
  }
  bool Resume(const v1::Registered& registered) {
    stream_->Write(Resumption(registered));
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
  void Serve(const std::string& tokens = kTokens, const std::string& grants = kGrants,
             std::vector<std::string> more = {}) {
    server_.Serve(Settings(tokens, grants, std::move(more)));
    channel_ = server_.Channel();
  }
  void ServeWith(std::vector<std::string> more) { Serve(kTokens, kGrants, std::move(more)); }
  // Without a database.
  void ServeAlone(std::vector<std::string> more = {}) {
    server_.ServeAlone(Settings(kTokens, kGrants, std::move(more)));
    channel_ = server_.Channel();
  }

  std::vector<std::string> Settings(const std::string& tokens, const std::string& grants,
                                    std::vector<std::string> more) {
    more.insert(more.end(),
                {"--tls-client-ca", server_.authority().certificate(), "--tokens",
                 server_.Write("tokens", tokens), "--grants", server_.Write("grants", grants)});
    return more;
  }

  // A line of the log with this in it; fails the test when it does not come.
  std::string AwaitLogged(const std::string& text, size_t from = 0) {
    const auto line = server_.process().AwaitLine(
        [&](const Process::Line& read) { return read.text.find(text) != std::string::npos; },
        kPatience, from);
    EXPECT_TRUE(line) << text << " is missing in:\n" << server_.process().Transcript();
    return line ? line->text : "";
  }

  // What no log may hold, whatever happened in the test.
  void TearDown() override {
    const std::string logged = server_.process().Transcript();
    for (const char* token : {kWeb, kNextWeb, kOther, kOps, kNobody, kUnknown}) {
      EXPECT_THAT(logged, Not(HasSubstr(token)));
    }
    for (const std::string& token : std::exchange(SessionTokens(), {})) {
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

  grpc::Status Transfer(const std::string& token, const v1::TransferWorkRequest& request) {
    v1::TransferWorkResponse response;
    const auto context = InTime();
    context->AddMetadata("authorization", "Bearer " + token);
    return v1::WorkService::NewStub(channel_)->TransferWork(context.get(), request, &response);
  }

  SecureServer server_;
  std::shared_ptr<grpc::Channel> channel_;
};

inline void ExpectRefusal(const grpc::Status& status, StatusCode code, std::string_view reason) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  const auto info = InfoOf(status);
  EXPECT_EQ(info.reason(), reason);
  EXPECT_NE(info.metadata().at("hint"), "");
  EXPECT_THAT(status.error_message() + info.DebugString(), Not(HasSubstr("token-")));
}

inline grpc::ByteBuffer BytesOf(const google::protobuf::Message& message) {
  const grpc::Slice bytes(message.SerializeAsString());
  return {&bytes, 1};
}

}  // namespace vigil
