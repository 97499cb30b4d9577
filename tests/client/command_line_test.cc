// The command line: what it prints, and the exit codes that scripts rely on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/scripted_coordinator.h"
#include "support/process.h"

namespace vigil::client {
namespace {

using ::testing::HasSubstr;

struct Ran {
  int code = -1;
  std::string out;
  std::string err;

  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    v1::Register request;
    request.set_namespace_("default");
    for (const char* name : {"web-1", "web-2"}) {
      request.set_name(name);
      request.set_registration_id(name);
      cluster_.Register(request, 1);
    }
  }

  Ran Vigil(std::vector<std::string> words, std::map<std::string, std::string> environment = {}) {
    words.insert(words.begin(), VIGIL_COMMAND);
    environment.emplace("VIGIL_ADDRESS", coordinator_.address());
    auto process =
        Process::Spawn({.command = std::move(words), .environment = std::move(environment)});
    if (!process) return {};
    Ran ran;
    ran.code = (*process)->AwaitEnd(std::chrono::seconds(30)).value_or(-1);
    for (const auto& line : (*process)->Lines()) {
      (line.stream == Process::Stream::kOut ? ran.out : ran.err) += line.text + "\n";
    }
    return ran;
  }

  Cluster cluster_;
  ScriptedCoordinator coordinator_{cluster_, 1};
};

TEST_F(CommandLineTest, Pods_AsATableAndAsJson) {
  const Ran table = Vigil({"pods", "list"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("INCARNATION  NAME   STATE"));
  EXPECT_THAT(table.out, HasSubstr("1            web-1  ALIVE"));
  const auto pods = Vigil({"pods", "list", "-o", "json"}).json()["pods"];
  ASSERT_EQ(pods.size(), 2U);
  EXPECT_EQ(pods[0]["incarnation"], 1);
  EXPECT_EQ(Vigil({"-o", "json", "pods", "get", "web-2"}).json()["name"], "web-2");
}

TEST_F(CommandLineTest, NoProxyOfTheEnvironmentIsBetween) {
  const std::string nobody = "http://127.0.0.1:1";
  const Ran ran = Vigil({"pods", "list"},
                        {{"http_proxy", nobody}, {"https_proxy", nobody}, {"grpc_proxy", nobody}});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(CommandLineTest, Events_OneObjectALineWithTheCursorToResumeFrom) {
  const Ran ran = Vigil({"events", "tail", "-o", "json"});
  EXPECT_EQ(ran.code, 0);
  const auto last = nlohmann::json::parse(ran.out.substr(ran.out.find('\n') + 1));
  EXPECT_EQ(last["seq"], 2);
  EXPECT_EQ(last["kind"], "POD_REGISTERED");
  EXPECT_EQ(last["cursor"], "2");
  EXPECT_EQ(Vigil({"events", "tail", "--after", "2"}).out, "");
}

TEST_F(CommandLineTest, Work_ByThePodsNameAndByTheEnvironment) {
  EXPECT_EQ(Vigil({"work", "start", "k", "--pod", "web-1", "--payload", "p"}).code, 0);
  EXPECT_EQ(Vigil({"work", "start", "k", "--pod", "web-2"}).code, 4);
  const Ran completed =
      Vigil({"work", "complete", "-o", "json", "--result", "done"},
            {{"VIGIL_INCARNATION", "1"}, {"VIGIL_WORK_KEY", "k"}, {"VIGIL_FENCE", "1"}});
  EXPECT_EQ(completed.code, 0) << completed.err;
  EXPECT_EQ(completed.json()["state"], "COMPLETED");
  EXPECT_EQ(completed.json()["payload"], "p");
}

TEST_F(CommandLineTest, Work_StartSaysWhatTheItemIs) {
  const Ran ran = Vigil({"work", "start", "k", "--pod", "web-1", "--kind", "import", "--label",
                         "zone=eu-1", "--label", "size=large", "--policy", "STICKY",
                         "--sticky-wait", "1m30s", "--max-adoptions", "3", "-o", "json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto item = ran.json()["item"];
  EXPECT_EQ(item["kind"], "import");
  EXPECT_EQ(item["labels"]["zone"], "eu-1");
  EXPECT_EQ(item["labels"]["size"], "large");
  EXPECT_EQ(item["policy"], "STICKY");
  EXPECT_EQ(item["sticky_wait_ms"], 90'000);
  EXPECT_EQ(item["max_adoptions"], 3);
  const Ran assigned = Vigil({"work", "start", "l", "--pod", "web-1", "--policy", "assign",
                              "--selector", "gpu=yes", "-o", "json"});
  EXPECT_EQ(assigned.json()["item"]["selector"]["gpu"], "yes") << assigned.err;
  EXPECT_EQ(Vigil({"work", "start", "m", "--pod", "web-1", "--policy", "no-such"}).code, 2);
  EXPECT_EQ(Vigil({"work", "start", "m", "--pod", "web-1", "--selector", "gpu"}).code, 2);
  EXPECT_EQ(Vigil({"work", "start", "m", "--pod", "web-1", "--max-adoptions", "0"}).code, 2);
}

TEST_F(CommandLineTest, Work_FailUntilItIsQuarantinedAndRelease) {
  ASSERT_EQ(Vigil({"work", "start", "k", "--pod", "web-1", "--max-adoptions", "1"}).code, 0);
  EXPECT_EQ(Vigil({"work", "fail", "k", "--pod", "web-1", "--fence", "1"}).code, 2) << "no reason";
  EXPECT_EQ(
      Vigil({"work", "fail", "k", "--pod", "web-1", "--fence", "1", "--reason", "too large"}).code,
      0);
  ASSERT_EQ(Vigil({"work", "start", "k", "--pod", "web-2"}).code, 0);
  const Ran failed = Vigil({"work", "fail", "k", "--reason", "still too large", "-o", "json"},
                           {{"VIGIL_INCARNATION", "2"}, {"VIGIL_FENCE", "2"}});
  EXPECT_EQ(failed.json()["state"], "QUARANTINED") << failed.err;

  const Ran shown = Vigil({"work", "get", "k"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, HasSubstr("ADOPTIONS   1/1"));
  EXPECT_THAT(shown.out, HasSubstr("POLICY"));
  EXPECT_THAT(shown.out, HasSubstr("FORMER OWNER  POD    FENCE  CAUSE   REASON"));
  EXPECT_THAT(shown.out, HasSubstr("1             web-1  1      FAILED  too large"));
  EXPECT_THAT(shown.out, HasSubstr("2             web-2  2      FAILED  still too large"));
  const auto json = Vigil({"work", "get", "k", "-o", "json"}).json();
  EXPECT_EQ(json["former_owners"][1]["reason"], "still too large");
  EXPECT_EQ(json["former_owners"][1]["fence"], 2);

  EXPECT_EQ(Vigil({"work", "list", "--quarantined", "-o", "json"}).json()["items"].size(), 1U);
  EXPECT_EQ(Vigil({"work", "release", "k", "--quarantined", "--fence", "1"}).code, 4);
  const Ran released = Vigil({"work", "release", "k", "--quarantined", "-o", "json"});
  EXPECT_EQ(released.json()["state"], "RELEASED") << released.err;
  EXPECT_EQ(Vigil({"work", "list", "--quarantined", "-o", "json"}).json()["items"].size(), 0U);
  EXPECT_EQ(Vigil({"work", "release", "k", "--pod", "web-1"}).code, 2) << "no fence";
}

TEST_F(CommandLineTest, Work_TransferToAPodByItsName) {
  ASSERT_EQ(Vigil({"work", "start", "k", "--pod", "web-1"}).code, 0);
  const std::vector<std::string> transfer = {"work",  "transfer", "k", "--pod",
                                             "web-1", "--fence",  "1", "--to"};
  const auto to = [&](const char* pod) {
    auto words = transfer;
    words.insert(words.end(), {pod, "-o", "json"});
    return Vigil(words);
  };
  EXPECT_EQ(to("nobody").code, 1);
  const Ran given = to("web-2");
  EXPECT_EQ(given.json()["owner_name"], "web-2") << given.err;
  EXPECT_EQ(given.json()["fence"], 2);
  EXPECT_EQ(to("web-2").code, 4) << "it is another's now";
}

TEST_F(CommandLineTest, Work_ListByKindAndLabel) {
  for (const auto& [key, kind] : {std::pair("a", "import"), {"b", "export"}, {"c", "other"}}) {
    ASSERT_EQ(Vigil({"work", "start", key, "--pod", "web-1", "--kind", kind, "--label",
                     std::string("of=") + kind})
                  .code,
              0);
  }
  const auto list = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"work", "list", "-o", "json"});
    return Vigil(options).json()["items"];
  };
  EXPECT_EQ(list({"--kind", "import,export"}).size(), 2U);
  EXPECT_EQ(list({"--kind", "import", "--kind", "other"}).size(), 2U);
  ASSERT_EQ(list({"--label", "of=export"}).size(), 1U);
  EXPECT_EQ(list({"--label", "of=export"})[0]["key"], "b");
  EXPECT_EQ(Vigil({"work", "claim", "--orphans", "--pod", "web-1", "--kind", "import"}).code, 0);
  EXPECT_EQ(coordinator_.claim_orphans_requests().back().kinds(0), "import");
}

TEST_F(CommandLineTest, Work_BytesThatAreNoTextAreBase64) {
  v1::StartWorkRequest request;
  request.set_key("k");
  request.set_incarnation(1);
  request.set_payload("\xff\x00\x01\x02", 4);
  v1::StartWorkResponse response;
  ASSERT_TRUE(cluster_.Start(request, response).ok());
  const Ran ran = Vigil({"work", "start", "k", "--incarnation", "1", "-o", "json"});
  EXPECT_EQ(ran.json()["item"]["payload_base64"], "/wABAg==");
}

TEST_F(CommandLineTest, ExitCode_SaysWhatToDo) {
  EXPECT_EQ(Vigil({"version"}).code, 0);
  EXPECT_EQ(Vigil({"--help"}).code, 0);
  EXPECT_EQ(Vigil({}).code, 2);
  EXPECT_EQ(Vigil({"pods", "list", "--no-such-option"}).code, 2);
  EXPECT_EQ(Vigil({"run", "--work", "k", "--pod", "p", "--lease", "3 parsecs", "--", "true"}).code,
            2);
  EXPECT_EQ(Vigil({"run", "--work", "k", "--", "true"}, {{"POD_NAME", ""}}).code, 2);
  EXPECT_EQ(Vigil({"work", "start", "k"}, {{"POD_NAME", ""}}).code, 2);
  const Ran missing = Vigil({"pods", "get", "nobody"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("POD_NOT_FOUND"));
  EXPECT_THAT(missing.err, HasSubstr("do something else"));
  EXPECT_EQ(Vigil({"work", "complete", "k", "--incarnation", "1", "--fence", "9"}).code, 4);
  coordinator_.Kill();
  EXPECT_EQ(Vigil({"pods", "list"}).code, 3);
}

}  // namespace
}  // namespace vigil::client
