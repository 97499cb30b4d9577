// Whose work is whose, with a real process.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "integration/rights_fixture.h"

namespace vigil {
namespace {

using RightsWorkTest = RightsTest;

constexpr char kMember[] = "token-of-who-has-no-work";
constexpr char kRoaming[] = "token-of-who-claims-anywhere";

void SetText(google::protobuf::Message& message, const char* name, const std::string& text) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  if (field) message.GetReflection()->SetString(&message, field, text);
}

void SetNumber(google::protobuf::Message& message, const char* name, uint64_t number) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  if (field) message.GetReflection()->SetUInt64(&message, field, number);
}

// A well-formed request in the name of the incarnation; null for an rpc that names none.
std::unique_ptr<google::protobuf::Message> RequestFor(const Right& right, uint64_t incarnation) {
  const std::string name(right.name.substr(right.name.find('/') + 1));
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("vigil.v1.WorkService");
  const auto* method = service->FindMethodByName(name);
  if (!method || !method->input_type()->FindFieldByName("incarnation")) return nullptr;
  std::unique_ptr<google::protobuf::Message> request(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(method->input_type())
          ->New());
  SetText(*request, "namespace", "default");
  SetText(*request, "key", "item");
  SetText(*request, "to_name", "a");
  SetText(*request, "reason", "none");
  SetNumber(*request, "incarnation", incarnation);
  SetNumber(*request, "fence", 1);
  SetNumber(*request, "expected_fence", 1);
  return request;
}

TEST_F(RightsWorkTest, IsGivenToPodsWhoseIdentityMayClaim) {
  const std::string tokens = std::string(kTokens) + "idle " + kMember + "\n";
  const std::string grants = std::string(kGrants) + "idle default member";
  Serve(tokens, grants + "\n");
  TokenPod giver(channel_, kWeb);
  ASSERT_TRUE(giver.Register("giver"));
  ASSERT_TRUE(Start(kWeb, giver.incarnation(), "item").ok());
  TokenPod idle(channel_, kMember);
  ASSERT_TRUE(idle.Register("idle"));
  v1::TransferWorkRequest transfer;
  transfer.set_namespace_("default");
  transfer.set_key("item");
  transfer.set_incarnation(giver.incarnation());
  transfer.set_fence(1);
  transfer.set_to_name("idle");
  ExpectRefusal(Transfer(kWeb, transfer), StatusCode::PERMISSION_DENIED, reason::kNotGranted);

  // What its identity may by now counts from when it comes back.
  server_.Write("grants", grants + ",claimer\n");
  const Instant limit = Now() + kPatience;
  while (!Start(kMember, idle.incarnation(), "own").ok()) ASSERT_LT(Now(), limit);
  ExpectRefusal(Transfer(kWeb, transfer), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
  TokenPod again(channel_, kMember);
  ASSERT_TRUE(again.Resume(idle.registered()));
  EXPECT_TRUE(Transfer(kWeb, transfer).ok());
}

// Whatever changes an item, and so names an incarnation.
TEST_F(RightsWorkTest, IsChangedInTheNameOfOwnPodsAlone) {
  Serve(std::string(kTokens) + "roaming " + kRoaming + "\n",
        std::string(kGrants) + "roaming * claimer\n");
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  int changes = 0;
  for (const Right& right : Rights()) {
    const auto request = RequestFor(right, pod.incarnation());
    if (!request) continue;
    SCOPED_TRACE(right.name);
    ++changes;
    for (const char* token : {kOther, kRoaming}) {
      ExpectRefusal(Call(right, BytesOf(*request), token), StatusCode::PERMISSION_DENIED,
                    reason::kIdentityMismatch);
    }
    for (const char* token : {kWeb, kNextWeb, kOps}) {
      EXPECT_NE(Call(right, BytesOf(*request), token).error_code(), StatusCode::PERMISSION_DENIED);
    }
    // Whose namespace is another one learns nothing of it.
    SetText(*request, "namespace", "elsewhere");
    ExpectRefusal(Call(right, BytesOf(*request), kRoaming), StatusCode::NOT_FOUND,
                  reason::kPodNotFound);
  }
  EXPECT_EQ(changes, 8);
}

}  // namespace
}  // namespace vigil
