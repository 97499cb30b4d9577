#include "http/probe.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace vigil {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Health Some() {
  return {{{.name = "first", .sentence = "it turns", .hint = "", .needed_by = {Sign::kLive}},
           {"second", false, "it is away", "Bring it back.", {Sign::kReady, Sign::kPods}},
           {"third", false, "it is full", "Make room.", {Sign::kEvents}}}};
}

Answer Ask(std::string_view target, std::string_view accepts = "*/*") {
  const auto probe = ParseProbe(target, accepts);
  EXPECT_TRUE(probe && *probe) << target;
  return AnswerTo(**probe, Some());
}

TEST(Probe, TheFirstCheckThatFailsIsNamed) {
  EXPECT_EQ(Ask("/livez").status, HttpStatus::kOk);
  EXPECT_EQ(Ask("/livez").body, "{\"live\":true}\n");
  const Answer answer = Ask("/readyz");
  EXPECT_EQ(answer.status, HttpStatus::kUnavailable);
  const auto told = json::parse(answer.body);
  EXPECT_EQ(told["reason"], "COORDINATOR_UNTRUSTED");
  EXPECT_EQ(told["check"], "second");
  EXPECT_EQ(told["message"], "it is away");
  EXPECT_EQ(told["hint"], "Bring it back.");
}

TEST(Probe, VerboseIsALineForEachCheckAndWhatToDo) {
  const Answer answer = Ask("/readyz?verbose");
  EXPECT_EQ(answer.status, HttpStatus::kUnavailable);
  EXPECT_THAT(answer.content_type, StartsWith("text/plain"));
  EXPECT_EQ(answer.body,
            "[+]first ok: it turns\n"
            "[-]second failed: it is away\n"
            "   Bring it back.\n"
            "[!]third warning: it is full\n"
            "   Make room.\n"
            "readyz check failed\n");
  EXPECT_EQ(Ask("/livez?verbose").status, HttpStatus::kOk);
  EXPECT_EQ(Ask("/livez?verbose").body, "[+]first ok: it turns\nlivez check passed\n");
}

TEST(Probe, VerboseIsJsonForWhoeverAcceptsIt) {
  const Answer answer = Ask("/readyz?verbose", "application/json, */*;q=0.1");
  EXPECT_EQ(answer.status, HttpStatus::kUnavailable);
  EXPECT_EQ(answer.content_type, "application/json");
  const auto told = json::parse(answer.body);
  EXPECT_EQ(told["ready"], false);
  ASSERT_EQ(told["checks"].size(), 3u);
  EXPECT_EQ(told["checks"][1],
            json::parse(R"({"name": "second", "ok": false, "message": "it is away",
                            "hint": "Bring it back.",
                            "neededBy": ["/readyz", "vigil.v1.PodRegistryService"]})"));
  EXPECT_EQ(told["checks"][0]["ok"], true);
  EXPECT_FALSE(told["checks"][0].contains("hint"));
  EXPECT_EQ(json::parse(Ask("/livez?verbose", "application/json").body)["live"], true);
}

TEST(Probe, OtherPathsAreNoneAndOtherParametersAreRefusedWithAHint) {
  EXPECT_FALSE(ParseProbe("/readyzz", ""));
  EXPECT_FALSE(ParseProbe("/", ""));
  for (const char* query : {"verbose=true", "verbose=1", "verbose="}) {
    EXPECT_THAT(Ask(std::string("/readyz?") + query).body, StartsWith("[+]first"));
  }
  EXPECT_THAT(Ask("/livez?").body, Not(HasSubstr("[+]")));
  for (const char* query : {"verbos", "verbose=no", "exclude=log", "verbose&x=1"}) {
    const auto refused = ParseProbe(std::string("/readyz?") + query, "");
    ASSERT_TRUE(refused && !*refused) << query;
    EXPECT_EQ(refused->error().reason, "INVALID_FIELD");
    EXPECT_THAT(refused->error().hint, HasSubstr("/readyz?verbose"));
  }
}

}  // namespace
}  // namespace vigil
