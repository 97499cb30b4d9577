#include "core/validate.h"

#include <gtest/gtest.h>

#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// P11: every bound answers with an error that names the field.
void ExpectRefused(const Result<void>& checked, std::string_view field) {
  ASSERT_FALSE(checked) << field;
  EXPECT_TRUE(checked.error().Is(reason::kInvalidField));
  EXPECT_EQ(checked.error().metadata.front().second, field);
}

TEST(Validate, Namespace) {
  for (const char* good : {"a", "default", "team-7", "0"})
    EXPECT_TRUE(CheckNamespace(good)) << good;
  for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b", "a b", "ä"}) {
    ExpectRefused(CheckNamespace(bad), "namespace");
  }
  EXPECT_TRUE(CheckNamespace(std::string(63, 'a')));
  ExpectRefused(CheckNamespace(std::string(64, 'a')), "namespace");
}

TEST(Validate, PodName) {
  for (const char* good : {"a", "worker-0", "Worker_1.b"}) EXPECT_TRUE(CheckPodName(good)) << good;
  for (const char* bad : {"", "-a", "a-", "a/b", "a b", "a\n"})
    ExpectRefused(CheckPodName(bad), "name");
  ExpectRefused(CheckPodName(std::string(254, 'a')), "name");
}

TEST(Validate, RegistrationId) {
  EXPECT_TRUE(CheckRegistrationId("0123456789abcdef"));
  ExpectRefused(CheckRegistrationId("short"), "registration_id");
  ExpectRefused(CheckRegistrationId("0123456789abcde!"), "registration_id");
  ExpectRefused(CheckRegistrationId(std::string(65, 'a')), "registration_id");
}

TEST(Validate, SessionToken) {
  EXPECT_TRUE(CheckSessionToken("0123456789abcdef.of-somebody"));
  EXPECT_TRUE(CheckSessionToken(std::string(128, 'a')));
  ExpectRefused(CheckSessionToken(""), "session_token");
  ExpectRefused(CheckSessionToken(std::string(129, 'a')), "session_token");
  // Postgres would refuse them, and with them all who resume together.   (P9)
  ExpectRefused(CheckSessionToken(std::string("a\0b", 3)), "session_token");
  ExpectRefused(CheckSessionToken("\xff"), "session_token");
}

TEST(Validate, SupersedeKey) {
  EXPECT_TRUE(CheckSupersedeKey("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
  ExpectRefused(CheckSupersedeKey("short"), "supersede_key");
  ExpectRefused(CheckSupersedeKey("0123456789 abcdef"), "supersede_key");
  ExpectRefused(CheckSupersedeKey(std::string(65, 'a')), "supersede_key");
}

TEST(Validate, Lease) {
  EXPECT_TRUE(CheckLease(milliseconds(500)));
  EXPECT_TRUE(CheckLease(seconds(60)));
  ExpectRefused(CheckLease(milliseconds(499)), "lease");
  ExpectRefused(CheckLease(seconds(61)), "lease");
}

TEST(Validate, Labels) {
  EXPECT_TRUE(CheckLabels({{"zone", "eu-1"}, {"note", "größer"}}));
  ExpectRefused(CheckLabels({{"", "x"}}), "labels");
  ExpectRefused(CheckLabels({{"k", std::string(256, 'v')}}), "labels");
  ExpectRefused(CheckLabels({{"k", "bell\a"}}), "labels");
  std::map<std::string, std::string> many;
  for (int i = 0; i < 33; ++i) many[std::to_string(i)] = "";
  ExpectRefused(CheckLabels(many), "labels");
}

TEST(Validate, WorkKey_IsPlainUtf8) {
  for (const char* good : {"a", "order/17", "größe", "\xf0\x9f\x9a\x80"})
    EXPECT_TRUE(CheckWorkKey(good)) << good;
  // Control characters, a lone continuation, an overlong form, a surrogate, a cut sequence, beyond
  // the last code point.
  for (const char* bad : {"", "a\tb", "a\x7f", "\x80", "\xc0\xaf", "\xed\xa0\x80", "a\xe2\x82",
                          "\xf4\x90\x80\x80", "\xc2\x85"}) {
    ExpectRefused(CheckWorkKey(bad), "key");
  }
  ExpectRefused(CheckWorkKey(std::string("a\0b", 3)), "key");
  EXPECT_TRUE(CheckWorkKey(std::string(512, 'k')));
  ExpectRefused(CheckWorkKey(std::string(513, 'k')), "key");
}

TEST(Validate, Numbers) {
  EXPECT_TRUE(CheckIncarnation("incarnation", 1));
  ExpectRefused(CheckIncarnation("incarnation", 0), "incarnation");
  ExpectRefused(CheckFence("fence", uint64_t{1} << 63), "fence");
}

WorkTraits Traits() { return {.max_adoptions = kDefaultAdoptions}; }

TEST(Validate, Traits_KindAndLabels) {
  WorkTraits traits = Traits();
  EXPECT_TRUE(CheckTraits(traits));
  for (const char* good : {"", "a", "import", "import-7", "7"}) {
    traits.kind = good;
    EXPECT_TRUE(CheckTraits(traits)) << good;
  }
  for (const char* bad : {"-a", "a-", "A", "a.b", "a b", "ä"}) {
    traits.kind = bad;
    ExpectRefused(CheckTraits(traits), "kind");
  }
  traits.kind = std::string(63, 'k');
  EXPECT_TRUE(CheckTraits(traits));
  traits.kind += 'k';
  ExpectRefused(CheckTraits(traits), "kind");
  traits = Traits();
  traits.labels = {{"", "x"}};
  ExpectRefused(CheckTraits(traits), "labels");
}

TEST(Validate, Traits_EachPolicyHasItsOwn) {
  WorkTraits traits = Traits();
  traits.selector = {{"gpu", "yes"}};
  ExpectRefused(CheckTraits(traits), "selector");
  traits.policy = RecoveryPolicy::kAssign;
  EXPECT_TRUE(CheckTraits(traits));
  traits.selector = {{"gpu", "bell\a"}};
  ExpectRefused(CheckTraits(traits), "selector");
  traits.selector = {{"gpu", "yes"}};
  traits.sticky_wait = seconds(5);
  ExpectRefused(CheckTraits(traits), "sticky_wait");
  traits.selector = {};
  ExpectRefused(CheckTraits(traits), "selector");
  traits.policy = RecoveryPolicy::kSticky;
  EXPECT_TRUE(CheckTraits(traits));
  for (const Duration good : {Duration(seconds(1)), Duration(std::chrono::hours(24))}) {
    traits.sticky_wait = good;
    EXPECT_TRUE(CheckTraits(traits));
  }
  const Duration too_long = std::chrono::hours(24) + milliseconds(1);
  for (const Duration bad : {Duration(milliseconds(999)), Duration::zero(), too_long}) {
    traits.sticky_wait = bad;
    ExpectRefused(CheckTraits(traits), "sticky_wait");
  }
}

TEST(Validate, Traits_Adoptions) {
  for (const uint32_t good : {1U, 1'000'000U}) {
    EXPECT_TRUE(CheckTraits({.max_adoptions = good}));
  }
  for (const uint32_t bad : {0U, 1'000'001U}) {
    ExpectRefused(CheckTraits({.max_adoptions = bad}), "max_adoptions");
  }
}

TEST(Validate, Kinds) {
  EXPECT_TRUE(CheckKinds({}));
  EXPECT_TRUE(CheckKinds(std::vector<std::string>(32, "import")));
  ExpectRefused(CheckKinds(std::vector<std::string>(33, "import")), "kinds");
  ExpectRefused(CheckKinds({"import", ""}), "kinds");
  ExpectRefused(CheckKinds({"Import"}), "kinds");
}

TEST(Validate, RequestId) {
  for (const char* good : {"", "r", "6ba7b810-9dad", "~!"})
    EXPECT_TRUE(CheckRequestId(good)) << good;
  for (const char* bad : {"a b", "a\n", "\x7f", "ä"})
    ExpectRefused(CheckRequestId(bad), "request_id");
  EXPECT_TRUE(CheckRequestId(std::string(64, 'r')));
  ExpectRefused(CheckRequestId(std::string(65, 'r')), "request_id");
}

TEST(Validate, Reason) {
  for (const char* good : {"x", "größer als erlaubt"}) EXPECT_TRUE(CheckReason(good)) << good;
  for (const char* bad : {"", "two\nlines", "\xff"}) ExpectRefused(CheckReason(bad), "reason");
  EXPECT_TRUE(CheckReason(std::string(512, 'r')));
  ExpectRefused(CheckReason(std::string(513, 'r')), "reason");
}

TEST(Validate, Payload) {
  EXPECT_TRUE(CheckPayload("payload", std::string(kLargestPayload, '\0')));
  ExpectRefused(CheckPayload("payload", std::string(kLargestPayload + 1, 'x')), "payload");
}

}  // namespace
}  // namespace vigil
