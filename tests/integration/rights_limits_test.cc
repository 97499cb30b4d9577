// What one identity may have of a coordinator, with a real process.   (P11)
#include <condition_variable>
#include <mutex>
#include <thread>

#include "integration/rights_fixture.h"
#include "pg/connection.h"

namespace vigil {
namespace {

using RightsLimitsTest = RightsTest;

void ExpectLimit(const grpc::Status& status, std::string_view limit) {
  ExpectRefusal(status, StatusCode::RESOURCE_EXHAUSTED, reason::kLimitReached);
  EXPECT_EQ(InfoOf(status).metadata().at("limit"), limit);
}

// Who has said nothing yet holds a stream, and so has to be somebody.
TEST_F(RightsLimitsTest, WhoMayBeNoPodOpensNoStream) {
  ServeWith({"--first-message-deadline", "60s"});
  TokenPod silent(channel_, kNobody);
  ExpectRefusal(silent.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
}

TEST_F(RightsLimitsTest, StreamsThatSayNothingAreFew) {
  constexpr int kMany = 80;
  constexpr int kMost = 64;  // for so few pods
  ServeWith({"--max-pods", "100", "--first-message-deadline", "5s"});
  std::vector<std::unique_ptr<TokenPod>> silent;
  for (int i = 0; i < kMany; ++i) silent.push_back(std::make_unique<TokenPod>(channel_, kWeb));
  int refused = 0;
  for (const auto& pod : silent) {
    const grpc::Status status = pod->End();
    if (InfoOf(status).reason() != reason::kLimitReached) continue;
    ExpectLimit(status, "identity-openings");
    ++refused;
  }
  EXPECT_EQ(refused, kMany - kMost);
  // A stream gives its share back when it is gone, which is after its end was told.
  bool let_in = false;
  for (const Instant limit = Now() + kPatience; !let_in && Now() < limit;) {
    let_in = TokenPod(channel_, kWeb).Register("a");
  }
  EXPECT_TRUE(let_in) << "they are over";
}

TEST_F(RightsLimitsTest, SessionsOfOneIdentity) {
  ServeWith({"--identity-sessions", "2"});
  auto first = std::make_unique<TokenPod>(channel_, kWeb);
  TokenPod second(channel_, kNextWeb);
  ASSERT_TRUE(first->Register("a") && second.Register("b"));
  TokenPod third(channel_, kWeb);
  EXPECT_FALSE(third.Register("c"));
  ExpectLimit(third.End(), "identity-sessions");
  TokenPod other(channel_, kOther);
  EXPECT_TRUE(other.Register("d"));
}

TEST_F(RightsLimitsTest, RegistrationsOfOneIdentityInASecond) {
  ServeWith({"--registration-rate", "1"});
  std::vector<std::unique_ptr<TokenPod>> pods;
  grpc::Status refusal;
  for (int i = 0; i < 100 && refusal.ok(); ++i) {
    pods.push_back(std::make_unique<TokenPod>(channel_, i % 2 == 0 ? kWeb : kNextWeb));
    if (!pods.back()->Register("pod-" + std::to_string(i))) refusal = pods.back()->End();
  }
  EXPECT_GT(pods.size(), 10U);
  ExpectLimit(refusal, "registration-rate");
  TokenPod other(channel_, kOther);
  EXPECT_TRUE(other.Register("other"));
}

TEST_F(RightsLimitsTest, SubscriptionsOfOneIdentity) {
  ServeWith({"--max-subscribers", "4"});
  auto first = std::make_unique<Follower>(channel_, kWeb);
  Follower second(channel_, kNextWeb);
  ASSERT_TRUE(first->ReadOne() && second.ReadOne());
  Follower third(channel_, kWeb);
  ExpectLimit(third.End(), "identity-subscriptions");
  const HttpResponse over_http = Fetch(server_.http_port(), "/v1/events?namespace=default",
                                       "Authorization: Bearer " + std::string(kWeb) + "\r\n");
  EXPECT_EQ(over_http.status, 503);
  EXPECT_THAT(over_http.body, HasSubstr("identity-subscriptions"));
  Follower other(channel_, kOther);
  EXPECT_TRUE(other.ReadOne());
}

// Results as they come in.
class Results {
 public:
  void Add(grpc::Status status) {
    std::lock_guard lock(mutex_);
    statuses_.push_back(std::move(status));
    changed_.notify_all();
  }
  grpc::Status Await(size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return statuses_.size() > index; });
    return statuses_[index];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<grpc::Status> statuses_;
};

TEST_F(RightsLimitsTest, RequestsOfOneIdentityThatWait) {
  ServeWith({"--request-queue", "4"});
  const Instant deadline = Now() + kPatience;
  auto locker = pg::Connection::Open({.conninfo = server_.conninfo()}, deadline);
  ASSERT_TRUE(locker);
  ASSERT_TRUE((*locker)->ExecuteScript("BEGIN; LOCK TABLE vigil.pods", deadline));
  v1::ListPodsRequest request;
  request.set_namespace_("default");
  Results results;
  Results others;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back(
        [&] { results.Add(Call(RightOf(Rpc::kListPods), BytesOf(request), kWeb)); });
  }
  ExpectLimit(results.Await(0), "identity-requests");
  callers.emplace_back(
      [&] { others.Add(Call(RightOf(Rpc::kListPods), BytesOf(request), kOther)); });
  ASSERT_TRUE((*locker)->ExecuteScript("COMMIT", deadline));
  EXPECT_TRUE(others.Await(0).ok()) << others.Await(0).error_message();
  EXPECT_TRUE(results.Await(1).ok() && results.Await(2).ok());
}

}  // namespace
}  // namespace vigil
