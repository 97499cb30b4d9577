// What is in force, and what a stream lives by.
#include "access/access.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/errors.h"
#include "core/session_token.h"
#include "support/simulated_time.h"

namespace vigil {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "token-of-the-web-pods";
constexpr char kNextToken[] = "next-token-of-the-web-pods";

Caller WithToken(const char* token) { return {.token = DigestOf(token)}; }
Caller Certified(std::vector<std::string> names) { return {.certified = std::move(names)}; }

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() {
    std::filesystem::create_directory(directory_);
    Write("tokens", std::string("web ") + kToken + "\n");
    Write("grants", "web shop member,claimer\nops * operator\n");
  }
  ~AccessTest() override { std::filesystem::remove_all(directory_); }

  std::string File(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name)) << text;
  }
  void ReadAll() { EXPECT_TRUE(access_.Read()); }

  const std::string directory_ = std::filesystem::temp_directory_path() /
                                 ("vigil-access-" + std::to_string(getpid()) + "-" +
                                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
  SimulatedClock clock_;
  Access access_{{File("tokens"), File("grants")},
                 clock_,
                 {.openings = 1, .sessions = 1, .subscriptions = 2, .requests = 1}};
};

template <typename T>
std::string_view ReasonOf(const Result<T>& result) {
  return result ? std::string_view("none") : result.error().reason;
}

TEST_F(AccessTest, BeforeTheFilesAreReadNobodyMayDoAnything) {
  EXPECT_EQ(ReasonOf(access_.Ask(WithToken(kToken), Rpc::kGetPod, "shop")), reason::kCallerUnknown);
  EXPECT_EQ(ReasonOf(access_.Ask(Certified({"ops"}), Rpc::kGetPod, "shop")), reason::kNotGranted);
}

TEST_F(AccessTest, WhoIsKnownMayDoWhatWasGranted) {
  ReadAll();
  EXPECT_TRUE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
  EXPECT_TRUE(access_.Ask(Certified({"web"}), Rpc::kClaimWork, "shop"));
  EXPECT_EQ(ReasonOf(access_.Ask(WithToken(kToken), Rpc::kSubscribe, "shop")), reason::kNotGranted);
  EXPECT_EQ(ReasonOf(access_.Ask(WithToken(kToken), Rpc::kSession, "other")), reason::kNotGranted);
  EXPECT_EQ(ReasonOf(access_.Ask(WithToken("unknown"), Rpc::kSession, "shop")),
            reason::kCallerUnknown);
  EXPECT_EQ(ReasonOf(access_.Ask({}, Rpc::kSession, "shop")), reason::kCallerUnknown);
  EXPECT_EQ(ReasonOf(access_.AskAnywhere({}, Rpc::kSession)), reason::kCallerUnknown);
  EXPECT_EQ(ReasonOf(access_.AskAnywhere(Certified({"anybody"}), Rpc::kSession)),
            reason::kNotGranted);
  EXPECT_EQ(ReasonOf(access_.AskAnywhere(WithToken(kToken), Rpc::kSubscribe)), reason::kNotGranted);
  const auto named = access_.AskAnywhere(Certified({"nobody", "web"}), Rpc::kSession);
  ASSERT_TRUE(named);
  EXPECT_EQ(*named, access_.Ask(WithToken(kToken), Rpc::kSession, "shop")->name());
}

// A token that nobody has is a mistake, whatever the certificate says.
TEST_F(AccessTest, AnUnknownTokenIsNotMadeGoodByACertificate) {
  ReadAll();
  Caller caller = Certified({"ops"});
  caller.token = DigestOf("unknown");
  EXPECT_EQ(ReasonOf(access_.Ask(caller, Rpc::kGetPod, "shop")), reason::kCallerUnknown);
}

TEST_F(AccessTest, TheGrantedIdentityComesFirst) {
  ReadAll();
  const auto permission = access_.Ask(Certified({"nobody", "web"}), Rpc::kSession, "shop");
  ASSERT_TRUE(permission);
  EXPECT_FALSE(permission->operates);
  ASSERT_EQ(permission->bindings.size(), 2U);
  EXPECT_EQ(permission->bindings.front(), ShortText(DigestOf("web")));
  const std::string token = Bound("secret", permission->bindings.front());
  EXPECT_TRUE(permission->Owns(BindingOf(token)));
  EXPECT_FALSE(permission->Owns(ShortText(DigestOf("somebody"))));
  EXPECT_THAT(token, Not(HasSubstr("web")));
}

// What was begun under --insecure is nobody's.
TEST_F(AccessTest, OnlyAnOperatorGoesOnWithWhatIsNobodys) {
  ReadAll();
  EXPECT_FALSE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop")->Owns(BindingOf("secret")));
  const auto operates = access_.Ask(Certified({"ops"}), Rpc::kSession, "any");
  EXPECT_TRUE(operates->operates);
  EXPECT_TRUE(operates->Owns(BindingOf("secret")));
}

TEST_F(AccessTest, WhoMayClaimIsKnown) {
  Write("grants", "web shop member,claimer\nidle shop member\nops * operator\n");
  ReadAll();
  const auto claims = [&](const char* name) {
    return access_.Ask(Certified({name}), Rpc::kSession, "shop")->claims;
  };
  EXPECT_TRUE(claims("web"));
  EXPECT_TRUE(claims("ops"));
  EXPECT_FALSE(claims("idle"));
}

TEST_F(AccessTest, NoIdentityHasMoreThanItsShare) {
  const auto first = access_.Take(ShareOf::kSubscriptions, "web");
  auto second = access_.Take(ShareOf::kSubscriptions, "web");
  ASSERT_TRUE(first && second);
  const auto third = access_.Take(ShareOf::kSubscriptions, "web");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, reason::kLimitReached);
  EXPECT_EQ(third.error().metadata.at(0).second, "identity-subscriptions");
  EXPECT_TRUE(access_.Take(ShareOf::kSubscriptions, "other"));
  EXPECT_TRUE(access_.Take(ShareOf::kRequests, "web"));
  second->reset();
  EXPECT_TRUE(access_.Take(ShareOf::kSubscriptions, "web"));
}

TEST_F(AccessTest, ARefusalDoesNotRepeatWhatIsNoNamespace) {
  ReadAll();
  const auto refused = access_.Ask(WithToken(kToken), Rpc::kGetPod, std::string(100'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, reason::kNotGranted);
  EXPECT_LT(refused.error().message.size(), 200U);
}

TEST_F(AccessTest, ARefusalSaysWhoAndWhichRolesAndNoToken) {
  ReadAll();
  const auto refused = access_.Ask(WithToken(kToken), Rpc::kSubscribe, "shop");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("web may not call Subscribe"));
  EXPECT_THAT(refused.error().hint, HasSubstr("subscriber, operator, read-only"));
  EXPECT_THAT(refused.error().message + refused.error().hint, Not(HasSubstr(kToken)));
}

TEST_F(AccessTest, APermitEndsWithItsGrantAndWithItsToken) {
  ReadAll();
  Permit granted(access_, WithToken(kToken), Rpc::kSession, "shop");
  ASSERT_FALSE(granted.Refusal());
  Permit certified(access_, Certified({"web"}), Rpc::kSession, "shop");
  ASSERT_FALSE(certified.Refusal());

  Write("tokens", std::string("web ") + kNextToken + "\n");
  ReadAll();
  ASSERT_TRUE(granted.Refusal());
  EXPECT_EQ(granted.Refusal()->reason, reason::kCallerUnknown);
  EXPECT_FALSE(certified.Refusal());

  Write("grants", "web shop claimer\n");
  ReadAll();
  ASSERT_TRUE(certified.Refusal());
  EXPECT_EQ(certified.Refusal()->reason, reason::kNotGranted);

  Write("grants", "web shop member\n");
  ReadAll();
  EXPECT_FALSE(certified.Refusal());
}

TEST_F(AccessTest, ACertificateThatHasEndedIsNobodys) {
  ReadAll();
  Caller caller = Certified({"web"});
  caller.certified_until = clock_.Now() + std::chrono::hours(1);
  Permit permit(access_, caller, Rpc::kSession, "shop");
  EXPECT_FALSE(permit.Refusal());
  clock_.MoveTo(*caller.certified_until - std::chrono::nanoseconds(1));
  EXPECT_FALSE(permit.Refusal());
  clock_.MoveTo(*caller.certified_until);
  ASSERT_TRUE(permit.Refusal());
  EXPECT_EQ(permit.Refusal()->reason, reason::kCallerUnknown);
  caller.token = DigestOf(kToken);
  EXPECT_EQ(ReasonOf(access_.Ask(caller, Rpc::kSession, "shop")), reason::kCallerUnknown);
  EXPECT_EQ(ReasonOf(access_.AskAnywhere(caller, Rpc::kSession)), reason::kCallerUnknown);
}

TEST_F(AccessTest, AFileThatHasBecomeBadChangesNothing) {
  ReadAll();
  const uint64_t epoch = access_.epoch();
  Write("tokens", "web short\n");
  const auto bad = access_.Read();
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr(File("tokens") + ": line 1: "));
  EXPECT_THAT(bad.error().message, Not(HasSubstr("short")));
  std::filesystem::remove(File("tokens"));
  EXPECT_FALSE(access_.Read());
  Write("tokens", std::string("web ") + kToken + "\n");
  Write("grants", "web shop everything\n");
  EXPECT_FALSE(access_.Read());
  access_.ReadAgain();
  EXPECT_EQ(access_.epoch(), epoch);
  EXPECT_TRUE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
}

// What shows it is a change that cannot be seen: as many bytes, with the time of the ones before.
TEST_F(AccessTest, FilesThatStandAreNotReadAgain) {
  ReadAll();
  ReadAll();
  const auto written = std::filesystem::last_write_time(File("tokens"));
  Write("tokens", std::string("www ") + kToken + "\n");
  std::filesystem::last_write_time(File("tokens"), written);
  ReadAll();
  EXPECT_TRUE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
  std::filesystem::last_write_time(File("tokens"), written + std::chrono::seconds(1));
  ReadAll();
  EXPECT_FALSE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
}

TEST_F(AccessTest, AFileThatIsReplacedWithTheSameSizeAndTimeIsRead) {
  ReadAll();
  ReadAll();
  const auto written = std::filesystem::last_write_time(File("tokens"));
  Write("next", std::string("www ") + kToken + "\n");
  std::filesystem::last_write_time(File("next"), written);
  std::filesystem::rename(File("next"), File("tokens"));
  ReadAll();
  EXPECT_FALSE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
}

// One that is written in place is empty first, and then ends somewhere.
TEST_F(AccessTest, AFileThatIsCutShortCountsWhenItStaysSo) {
  Write("tokens", std::string("web ") + kToken);
  ReadAll();
  EXPECT_TRUE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
  const uint64_t epoch = access_.epoch();
  for (const char* text : {"web shop-member-claimer", "web shop-member-claimer-of-"}) {
    Write("tokens", text);
    ReadAll();
    EXPECT_EQ(access_.epoch(), epoch) << text;
  }
  ReadAll();
  EXPECT_GT(access_.epoch(), epoch);
  EXPECT_FALSE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
}

TEST_F(AccessTest, AFileThatIsEmptyChangesNothing) {
  for (const char* file : {"tokens", "grants"}) {
    for (const char* text : {"", "\n", "# nobody yet\n"}) {
      SCOPED_TRACE(std::string(file) + ": " + text);
      Write("tokens", std::string("web ") + kToken + "\n");
      Write("grants", "web shop member\n");
      ReadAll();
      const uint64_t epoch = access_.epoch();
      Write(file, text);
      const auto bad = access_.Read();
      ASSERT_FALSE(bad);
      EXPECT_THAT(bad.error().message, HasSubstr(File(file) + ": "));
      EXPECT_NE(bad.error().hint, "");
      access_.ReadAgain();
      EXPECT_EQ(access_.epoch(), epoch);
      EXPECT_TRUE(access_.Ask(WithToken(kToken), Rpc::kSession, "shop"));
    }
  }
}

// Two files are told apart from the two that have the same bytes, divided elsewhere.
TEST_F(AccessTest, WhatMovesFromOneFileToTheOtherIsAChange) {
  ReadAll();
  const uint64_t epoch = access_.epoch();
  Write("tokens", std::string("web ") + kToken + "\nweb shop-member-claimer\n");
  ReadAll();
  EXPECT_GT(access_.epoch(), epoch);
}

TEST_F(AccessTest, FilesThatAreTheSameChangeNothing) {
  ReadAll();
  const uint64_t epoch = access_.epoch();
  Write("grants", "web shop member,claimer\nops * operator\n");
  ReadAll();
  EXPECT_EQ(access_.epoch(), epoch);
}

TEST(InsecureAccess, LetsEverybodyDoEverything) {
  const Access access;
  const auto permission = access.Ask({}, Rpc::kReleaseQuarantinedWork, "any");
  ASSERT_TRUE(permission);
  EXPECT_TRUE(permission->Owns("whoever"));
  EXPECT_EQ(access.AskAnywhere({}, Rpc::kSession), "");
  const auto share = access.Take(ShareOf::kSessions, permission->name());
  EXPECT_TRUE(access.Take(ShareOf::kSessions, permission->name()) && share) << "nobody counts";
}

TEST(Authorization, IsABearersToken) {
  EXPECT_FALSE(TokenFrom(""));
  EXPECT_EQ(TokenFrom("Bearer abc"), DigestOf("abc"));
  EXPECT_EQ(TokenFrom("bearer abc"), DigestOf("abc"));
  EXPECT_EQ(TokenFrom("BEARER abc"), DigestOf("abc"));
  for (const char* other : {"abc", "Basic abc", "Bearer", "Bearer ", "Bearerabc", "Bearer abc,x"}) {
    const auto token = TokenFrom(other);
    ASSERT_TRUE(token) << other;
    EXPECT_NE(*token, DigestOf("abc")) << other;
  }
}

}  // namespace
}  // namespace vigil
