// Bad input on every rpc: one canonical status with a reason and a hint, and nobody else is harmed.
// (P11)
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <string>

#include "integration/test_server.h"

namespace vigil {
namespace {

class BadInput : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.WaitUntilReady()); }

  template <typename Message>
  static Message Parse(const std::string& json) {
    Message message;
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, &message);
    EXPECT_TRUE(parsed.ok()) << json << ": " << parsed.ToString();
    return message;
  }

  static void ExpectRefused(const grpc::Status& status, grpc::StatusCode code,
                            const std::string& reason, const std::string& field = "") {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    const auto info = InfoOf(status);
    EXPECT_EQ(info.domain(), "vigil");
    EXPECT_EQ(info.reason(), reason) << status.error_message();
    EXPECT_FALSE(info.metadata().at("hint").empty());
    if (!field.empty()) {
      EXPECT_EQ(info.metadata().at("field"), field);
    }
  }

  template <typename Stub, typename Request, typename Response>
  void ExpectField(Stub& stub,
                   grpc::Status (Stub::*call)(grpc::ClientContext*, const Request&, Response*),
                   const std::string& json, const std::string& field) {
    Response response;
    const auto context = InTime();
    ExpectRefused((stub.*call)(context.get(), Parse<Request>(json), &response),
                  grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", field);
  }

  grpc::Status Session(const std::string& json) {
    const auto context = InTime();
    const auto stream = server_.pods().Session(context.get());
    stream->Write(Parse<v1::SessionRequest>(json));
    v1::SessionResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  }

  grpc::Status Subscribe(const std::string& json) {
    const auto context = InTime();
    const auto stream =
        server_.events().Subscribe(context.get(), Parse<v1::SubscribeRequest>(json));
    v1::SubscribeResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  }

  TestDatabase database_;
  TestServer server_{database_.conninfo()};
};

TEST_F(BadInput, Session_RefusesEachMalformedField) {
  const auto with = [](const std::string& field) {
    return R"({"register": {"namespace": "default", "name": "a", "registrationId": "0123456789abcdef")" +
           (field.empty() ? "" : ", " + field) + "}}";
  };
  const auto refused = [&](const std::string& json, const std::string& field) {
    ExpectRefused(Session(json), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", field);
  };
  refused(R"({"register": {"name": "a", "registrationId": "0123456789abcdef"}})", "namespace");
  refused(R"({"register": {"namespace": "default", "registrationId": "0123456789abcdef"}})",
          "name");
  refused(R"({"register": {"namespace": "default", "name": "a"}})", "registration_id");
  refused(with(R"("lease": "0.1s")"), "lease");
  refused(with(R"("lease": "61s")"), "lease");
  refused(with(R"("lease": "-3s")"), "lease");
  refused(with(R"("waitForName": "301s")"), "wait_for_name");
  refused(with(R"("supersedeKey": "short")"), "supersede_key");
  refused(with(R"("profile": 7)"), "profile");
  refused(with(R"("labels": {"": "x"})"), "labels");
  refused(R"({"resume": {"namespace": "default", "incarnation": 1}})", "session_token");
  refused(R"({"resume": {"namespace": "default", "incarnation": 1, "sessionToken": "a\u0000b"}})",
          "session_token");
  refused(R"({"resume": {"namespace": "default", "sessionToken": "x"}})", "incarnation");
}

TEST_F(BadInput, Session_RefusesWhatIsOutOfTurn) {
  for (const char* json :
       {"{}", R"({"heartbeat": {"number": 1}})", R"({"leave": {}})", R"({"detach": {}})"}) {
    ExpectRefused(Session(json), grpc::StatusCode::INVALID_ARGUMENT, "PROTOCOL_VIOLATION");
  }
}

TEST_F(BadInput, Session_RefusesAResumeThatNobodyMayMake) {
  ExpectRefused(
      Session(R"({"resume": {"namespace": "default", "incarnation": 999, "sessionToken": "x"}})"),
      grpc::StatusCode::NOT_FOUND, "POD_NOT_FOUND");
  RawPod pod(server_, "a");
  ExpectRefused(Session(R"({"resume": {"namespace": "default", "incarnation": )" +
                        std::to_string(pod.incarnation()) + R"(, "sessionToken": "guess"}})"),
                grpc::StatusCode::PERMISSION_DENIED, "SESSION_TOKEN_INVALID");
  EXPECT_TRUE(pod.Beat()) << "a stranger's attempt harms nobody";
}

TEST_F(BadInput, Session_RefusesATakenName) {
  RawPod pod(server_, "a");
  ExpectRefused(
      Session(
          R"({"register": {"namespace": "default", "name": "a", "registrationId": "another-registration"}})"),
      grpc::StatusCode::ALREADY_EXISTS, "POD_NAME_TAKEN");
  EXPECT_TRUE(pod.Beat());
}

TEST_F(BadInput, Session_RefusesAnOversizedMessage) {
  RawPod pod(server_, "a");
  const auto status =
      Session(R"({"register": {"namespace": ")" + std::string(300 * 1024, 'x') + R"("}})");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(pod.Beat());
}

TEST_F(BadInput, Subscribe_RefusesEachMalformedField) {
  ExpectRefused(Subscribe(R"({"fromNow": {}})"), grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "namespace");
  ExpectRefused(Subscribe(R"({"namespace": "default"})"), grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "start");
  for (const char* cursor : {"", "rubbish", "v1.1.other.1", "v1.1.default.x", "v1.1.default.0"}) {
    ExpectRefused(
        Subscribe(std::string(R"({"namespace": "default", "afterCursor": ")") + cursor + R"("})"),
        grpc::StatusCode::INVALID_ARGUMENT, "INVALID_CURSOR");
  }
}

TEST_F(BadInput, Pods_RefuseEachMalformedField) {
  using Stub = v1::PodRegistryService::Stub;
  ExpectField(server_.pods(), &Stub::GetPod, R"({"name": "a"})", "namespace");
  ExpectField(server_.pods(), &Stub::GetPod, R"({"namespace": "default"})", "name");
  ExpectField(server_.pods(), &Stub::ListPods, R"({"namespace": "No"})", "namespace");
  ExpectField(server_.pods(), &Stub::ListPods, R"({"namespace": "default", "pageSize": 1001})",
              "page_size");
  ExpectField(server_.pods(), &Stub::ListPods, R"({"namespace": "default", "pageToken": "x"})",
              "page_token");
}

TEST_F(BadInput, Work_RefusesEachMalformedField) {
  using Stub = v1::WorkService::Stub;
  auto& work = server_.work();
  const std::string large(90 * 1024, 'A');
  ExpectField(work, &Stub::StartWork, R"({"key": "k", "incarnation": 1})", "namespace");
  ExpectField(work, &Stub::StartWork, R"({"namespace": "default", "incarnation": 1})", "key");
  ExpectField(work, &Stub::StartWork,
              R"({"namespace": "default", "key": "a\u0000b", "incarnation": 1})", "key");
  ExpectField(work, &Stub::StartWork, R"({"namespace": "default", "key": "k"})", "incarnation");
  ExpectField(
      work, &Stub::StartWork,
      R"({"namespace": "default", "key": "k", "incarnation": 1, "payload": ")" + large + R"("})",
      "payload");
  ExpectField(work, &Stub::CheckpointWork,
              R"({"namespace": "default", "key": "k", "incarnation": 1})", "fence");
  ExpectField(
      work, &Stub::CheckpointWork,
      R"({"namespace": "default", "key": "k", "incarnation": 1, "fence": 1, "checkpoint": ")" +
          large + R"("})",
      "checkpoint");
  ExpectField(work, &Stub::CompleteWork,
              R"({"namespace": "default", "key": "k", "incarnation": 1, "fence": 1, "result": ")" +
                  large + R"("})",
              "result");
  ExpectField(work, &Stub::ReleaseWork, R"({"namespace": "default", "key": "k", "fence": 1})",
              "incarnation");
  ExpectField(work, &Stub::ClaimWork, R"({"namespace": "default", "key": "k", "incarnation": 1})",
              "expected_fence");
  ExpectField(
      work, &Stub::ClaimWork,
      R"({"namespace": "default", "key": "k", "incarnation": 1, "expectedFence": 1, "expectedOwner": "18446744073709551615"})",
      "expected_owner");
  ExpectField(work, &Stub::ClaimOrphans,
              R"({"namespace": "default", "incarnation": 1, "limit": 101})", "limit");
  ExpectField(work, &Stub::ClaimOrphans, R"({"namespace": "default"})", "incarnation");
  ExpectField(work, &Stub::GetWork, R"({"namespace": "default"})", "key");
  ExpectField(work, &Stub::ListWork, R"({"namespace": "default", "pageSize": 1001})", "page_size");
  ExpectField(work, &Stub::ListWork, R"({"namespace": "default", "pageToken": "\u0001"})",
              "page_token");
}

TEST_F(BadInput, Work_RefusesEachMalformedTraitOfAStart) {
  using Stub = v1::WorkService::Stub;
  const std::pair<const char*, const char*> cases[] = {
      {R"("kind": "No")", "kind"},
      {R"("labels": {"": "x"})", "labels"},
      {R"("policy": 9)", "policy"},
      {R"("selector": {"gpu": "yes"})", "selector"},
      {R"("policy": "RECOVERY_POLICY_ASSIGN", "selector": {"": "yes"})", "selector"},
      {R"("policy": "RECOVERY_POLICY_ASSIGN")", "selector"},
      {R"("stickyWait": "5s")", "sticky_wait"},
      {R"("policy": "RECOVERY_POLICY_STICKY", "stickyWait": "0.5s")", "sticky_wait"},
      {R"("policy": "RECOVERY_POLICY_STICKY", "stickyWait": "0s")", "sticky_wait"},
      {R"("policy": "RECOVERY_POLICY_STICKY", "stickyWait": "86401s")", "sticky_wait"},
      {R"("policy": "RECOVERY_POLICY_STICKY", "stickyWait": "-5s")", "sticky_wait"},
      {R"("maxAdoptions": 1000001)", "max_adoptions"},
      {R"("requestId": "a b")", "request_id"},
  };
  for (const auto& [trait, field] : cases) {
    ExpectField(
        server_.work(), &Stub::StartWork,
        R"({"namespace": "default", "key": "k", "incarnation": 1, )" + std::string(trait) + "}",
        field);
  }
}

TEST_F(BadInput, Work_RefusesEachMalformedFieldOfARecovery) {
  using Stub = v1::WorkService::Stub;
  auto& work = server_.work();
  const std::string held = R"({"namespace": "default", "key": "k", "incarnation": 1, "fence": 1)";
  const std::string claim = R"({"namespace": "default", "incarnation": 1)";
  std::string many;
  for (int i = 0; i < 33; ++i) many += std::string(i == 0 ? "" : ", ") + "\"k\"";
  ExpectField(work, &Stub::FailWork, held + "}", "reason");
  ExpectField(work, &Stub::FailWork, held + R"(, "reason": "two\nlines"})", "reason");
  ExpectField(work, &Stub::FailWork,
              R"({"namespace": "default", "key": "k", "incarnation": 1, "reason": "x"})", "fence");
  ExpectField(work, &Stub::TransferWork, held + "}", "to_name");
  ExpectField(work, &Stub::TransferWork, held + R"(, "toName": "a b"})", "to_name");
  ExpectField(work, &Stub::TransferWork,
              R"({"namespace": "default", "key": "k", "fence": 1, "toName": "a"})", "incarnation");
  ExpectField(work, &Stub::ReleaseQuarantinedWork, R"({"namespace": "default", "key": "k"})",
              "fence");
  ExpectField(work, &Stub::ReleaseQuarantinedWork, R"({"namespace": "default", "fence": 1})",
              "key");
  ExpectField(work, &Stub::CheckpointWork, held + R"(, "number": "9223372036854775808"})",
              "number");
  ExpectField(work, &Stub::ClaimOrphans, claim + R"(, "kinds": [)" + many + "]}", "kinds");
  ExpectField(work, &Stub::ClaimOrphans, claim + R"(, "kinds": [""]})", "kinds");
  ExpectField(work, &Stub::ClaimOrphans, claim + R"(, "labels": {"": "x"}})", "labels");
  ExpectField(work, &Stub::ClaimOrphans, claim + R"(, "requestId": "a b"})", "request_id");
  ExpectField(work, &Stub::ListWork, R"({"namespace": "default", "kinds": ["A"]})", "kinds");
  ExpectField(work, &Stub::ListWork, R"({"namespace": "default", "labels": {"": ""}})", "labels");
}

TEST_F(BadInput, Work_RefusesWhatDoesNotExist) {
  v1::GetWorkResponse response;
  ExpectRefused(
      server_.work().GetWork(InTime().get(),
                             Parse<v1::GetWorkRequest>(R"({"namespace": "default", "key": "k"})"),
                             &response),
      grpc::StatusCode::NOT_FOUND, "WORK_NOT_FOUND");
  v1::StartWorkResponse started;
  ExpectRefused(
      server_.work().StartWork(InTime().get(),
                               Parse<v1::StartWorkRequest>(
                                   R"({"namespace": "default", "key": "k", "incarnation": 999})"),
                               &started),
      grpc::StatusCode::NOT_FOUND, "POD_NOT_FOUND");
  v1::GetPodResponse pod;
  ExpectRefused(
      server_.pods().GetPod(
          InTime().get(), Parse<v1::GetPodRequest>(R"({"namespace": "default", "name": "nobody"})"),
          &pod),
      grpc::StatusCode::NOT_FOUND, "POD_NOT_FOUND");
}

}  // namespace
}  // namespace vigil
