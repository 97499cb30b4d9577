// TLS on the gRPC port, with real processes and certificates that openssl made.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "integration/http_client.h"
#include "integration/secure_server.h"
#include "support/process.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr auto kPatience = seconds(30);

struct Ran {
  int code = -1;
  std::string said;
};

Ran RunToEnd(const std::string& program, std::vector<std::string> words,
             std::map<std::string, std::string> environment = {}) {
  const auto path = FindBuilt(program);
  EXPECT_TRUE(path) << path.error().message;
  words.insert(words.begin(), *path);
  auto process =
      Process::Spawn({.command = std::move(words), .environment = std::move(environment)});
  EXPECT_TRUE(process) << process.error().message;
  Ran ran;
  ran.code = (*process)->AwaitEnd(kPatience).value_or(-1);
  ran.said = (*process)->Transcript();
  return ran;
}

std::string TextOf(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class TlsTest : public testing::Test {
 protected:
  // Whoever has a certificate of this authority, or the token, may look.
  void Serve(std::vector<std::string> settings = {},
             const std::string& alternatives = "IP:127.0.0.1,DNS:localhost") {
    settings.insert(settings.end(), {"--grants", server_.Write("grants", "web * read-only\n")});
    server_.Serve(settings, alternatives);
  }
  // Callers are known by a token, and need no certificate.
  std::string TokenSetting() { return server_.Write("tokens", "web token-of-the-web-pods\n"); }

  Ran Vigil(std::vector<std::string> words) {
    words.insert(words.begin(), {"--address", server_.address(), "--token-file",
                                 server_.Write("token", "token-of-the-web-pods\n")});
    words.insert(words.end(), {"pods", "list"});
    return RunToEnd("vigil", std::move(words));
  }
  Ran VigilWith(const CertificateAuthority& trusted, const CertificateAuthority::Issued& shown) {
    return RunToEnd(
        "vigil", {"--address", server_.address(), "--tls-ca", trusted.certificate(), "--tls-cert",
                  shown.certificate, "--tls-key", shown.key, "pods", "list"});
  }

  static void Replace(const std::string& file, const std::string& text) {
    std::ofstream(file + ".new") << text;
    std::filesystem::rename(file + ".new", file);
  }

  // What it says when it has come to answer so.
  std::string AwaitReadiness(int status) {
    const Instant limit = Now() + kPatience;
    while (true) {
      const HttpResponse answer = Fetch(server_.http_port(), "/readyz?verbose");
      if (answer.status == status) return answer.body;
      if (Now() > limit) {
        ADD_FAILURE() << "not " << status << " but " << answer.status << ": " << answer.body;
        return answer.body;
      }
    }
  }

  SecureServer server_;
};

TEST_F(TlsTest, CallersThatTrustItsAuthorityAreServed) {
  Serve({"--tokens", TokenSetting()});
  const Ran served = Vigil({"--tls-ca", server_.authority().certificate()});
  EXPECT_EQ(served.code, 0) << served.said << server_.process().Transcript();
  EXPECT_EQ(Vigil({}).code, 3) << "plain text";
  const CertificateAuthority other = MakeAuthority("other");
  EXPECT_EQ(Vigil({"--tls-ca", other.certificate()}).code, 3) << "another authority";
  EXPECT_EQ(Vigil({"--tls-ca", "system"}).code, 3) << "the machine's authorities";
}

TEST_F(TlsTest, ItsCertificateMustNameWhatIsCalled) {
  Serve({"--tokens", TokenSetting()}, "DNS:vigil.example");
  const std::string trusted = server_.authority().certificate();
  EXPECT_EQ(Vigil({"--tls-ca", trusted}).code, 3);
  const Ran served = Vigil({"--tls-ca", trusted, "--tls-server-name", "vigil.example"});
  EXPECT_EQ(served.code, 0) << served.said;
}

TEST_F(TlsTest, WithAnAuthorityForCallersEveryOneNeedsItsCertificate) {
  const CertificateAuthority& authority = server_.authority();
  Serve({"--tls-client-ca", authority.certificate()});
  const Ran served = VigilWith(authority, server_.Issue("web"));
  EXPECT_EQ(served.code, 0) << served.said << server_.process().Transcript();
  EXPECT_EQ(Vigil({"--tls-ca", authority.certificate()}).code, 3) << "none";
  const CertificateAuthority other = MakeAuthority("other");
  EXPECT_EQ(VigilWith(authority, SecureServer::IssueBy(other, "web")).code, 3) << "another one's";
  EXPECT_EQ(VigilWith(authority, server_.Issue("late", "DNS:web", -1)).code, 3) << "expired";
}

// The files are replaced while one call after the other is made: in the end all go by the new ones.
TEST_F(TlsTest, FilesThatChangeAreReadAgain) {
  const CertificateAuthority other = MakeAuthority("other");
  const auto old_web = server_.Issue("web");
  const auto new_web = SecureServer::IssueBy(other, "web");
  const std::string callers = server_.authority().directory() + "/callers.pem";
  std::filesystem::copy_file(server_.authority().certificate(), callers);
  Serve({"--tls-client-ca", callers});
  ASSERT_EQ(VigilWith(server_.authority(), old_web).code, 0) << server_.process().Transcript();

  const auto replacement = SecureServer::IssueBy(other, "vigild", "IP:127.0.0.1,DNS:localhost");
  const auto replace = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to + ".new");
    std::filesystem::rename(to + ".new", to);
  };
  replace(replacement.key, server_.own().key);
  replace(replacement.certificate, server_.own().certificate);
  replace(other.certificate(), callers);
  const Instant limit = Now() + kPatience;
  while (VigilWith(other, new_web).code != 0) {
    ASSERT_LT(Now(), limit) << server_.process().Transcript();
  }
  EXPECT_EQ(VigilWith(server_.authority(), old_web).code, 3) << "the old ones still hold";
}

TEST_F(TlsTest, ACertificateThatNeedNotBeShownIsVerifiedAllTheSame) {
  const std::string trusted = server_.authority().certificate();
  Serve({"--tokens", TokenSetting(), "--tls-client-ca", trusted});
  const auto vigil_with = [&](const CertificateAuthority::Issued& shown) {
    return Vigil({"--tls-ca", trusted, "--tls-cert", shown.certificate, "--tls-key", shown.key});
  };
  EXPECT_EQ(Vigil({"--tls-ca", trusted}).code, 0) << "none";
  EXPECT_EQ(vigil_with(server_.Issue("any")).code, 0) << "its own";
  const CertificateAuthority other = MakeAuthority("other");
  EXPECT_EQ(vigil_with(SecureServer::IssueBy(other, "web")).code, 3) << "another one's";
  EXPECT_EQ(vigil_with(server_.Issue("late", "DNS:web", -1)).code, 3) << "expired";
}

// As an editor or `cp` does it, and as Kubernetes does, for which the files are links.
TEST_F(TlsTest, HoweverFilesAreReplacedTheNewOnesCount) {
  namespace fs = std::filesystem;
  const CertificateAuthority other = MakeAuthority("other");
  const auto web = server_.Issue("web");
  Serve({"--tls-client-ca", server_.authority().certificate()});
  const auto expect_served_by = [&](const CertificateAuthority& authority) {
    const Instant limit = Now() + kPatience;
    while (VigilWith(authority, web).code != 0) {
      ASSERT_LT(Now(), limit) << server_.process().Transcript();
    }
  };
  const auto one = server_.own();
  const std::string directory = server_.authority().directory();
  const auto keep = [&](const CertificateAuthority::Issued& issued, const std::string& name) {
    fs::create_directory(directory + "/" + name);
    fs::copy_file(issued.key, directory + "/" + name + "/key");
    fs::copy_file(issued.certificate, directory + "/" + name + "/certificate");
  };
  keep(one, "one");
  keep(SecureServer::IssueBy(other, "vigild", "IP:127.0.0.1"), "two");
  const auto link = [&](const std::string& to, const std::string& name) {
    fs::create_symlink(to, name + ".new");
    fs::rename(name + ".new", name);
  };

  for (const auto& [from, to] : {std::pair(directory + "/two/key", one.key),
                                 std::pair(directory + "/two/certificate", one.certificate)}) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
  }
  expect_served_by(other);
  link("one", directory + "/data");
  link("data/key", one.key);
  link("data/certificate", one.certificate);
  expect_served_by(server_.authority());
  link("two", directory + "/data");
  expect_served_by(other);
}

// What was in force stays, and that is said, once.
TEST_F(TlsTest, FilesThatAreWrittenInPlaceAndAreUnfitChangeNothing) {
  const std::string callers = server_.authority().directory() + "/callers.pem";
  const std::string trusted = TextOf(server_.authority().certificate());
  Replace(callers, trusted);
  Serve({"--tls-client-ca", callers});
  AwaitReadiness(200);
  const auto web = server_.Issue("web");
  const auto other = server_.Issue("other");
  const std::string key = server_.own().key;
  const std::string certificate = server_.own().certificate;
  struct Harm {
    std::string file;
    std::string text;
    std::string complaint;
  };
  const std::string whole = TextOf(certificate);
  const std::string cut_off = whole + whole.substr(0, whole.size() / 2);
  const auto await = [&](const std::string& sentence) {
    const auto said = server_.process().AwaitLine(
        [&](const Process::Line& line) { return line.text.find(sentence) != std::string::npos; },
        kPatience);
    EXPECT_TRUE(said) << server_.process().Transcript();
  };
  const std::vector<Harm> harms = {{key, "", key + " holds no private key"},
                                   {key, TextOf(other.key), "is not the key of"},
                                   {certificate, "", certificate + " holds no certificate"},
                                   {certificate, cut_off, "is broken or cut off"},
                                   {callers, "", callers + " holds no certificate"}};
  for (const auto& [file, text, complaint] : harms) {
    SCOPED_TRACE(complaint);
    const std::string fine = TextOf(file);
    std::ofstream(file) << text;
    await(complaint);
    EXPECT_EQ(Fetch(server_.http_port(), "/readyz").status, 200);
    EXPECT_EQ(VigilWith(server_.authority(), web).code, 0) << server_.process().Transcript();
    std::ofstream(file) << fine;
  }
  await("The files of TLS are as they should be again");
  size_t complaints = 0;
  for (const auto& line : server_.process().Lines()) {
    if (line.text.find("A file of TLS") != std::string::npos) ++complaints;
  }
  EXPECT_EQ(complaints, harms.size()) << server_.process().Transcript();
}

TEST_F(TlsTest, ACertificateThatHasExpiredFailsReadinessUntilItIsRenewed) {
  Serve({"--tokens", TokenSetting()});
  AwaitReadiness(200);
  const auto good = server_.own();
  const auto late = server_.Issue("late", "", -1);
  const std::string key = TextOf(good.key);
  const std::string certificate = TextOf(good.certificate);
  Replace(good.key, TextOf(late.key));
  Replace(good.certificate, TextOf(late.certificate));
  EXPECT_THAT(AwaitReadiness(503), HasSubstr("no new connection can begin"));
  Replace(good.key, key);
  Replace(good.certificate, certificate);
  AwaitReadiness(200);
}

// Whatever the library says of those who speak no TLS.
TEST_F(TlsTest, EveryLineOfAJsonLogIsJson) {
  server_.ServeAlone({"--log-format", "json", "--tokens", TokenSetting(), "--grants",
                      server_.Write("grants", "web * read-only\n")});
  HttpClient plain(std::stoi(server_.address().substr(server_.address().find(':') + 1)));
  plain.Send("GET / HTTP/1.1\r\nHost: vigil\r\n\r\n");
  plain.TakeRest();
  const auto said = server_.process().AwaitLine(
      [](const Process::Line& line) {
        return line.text.find("gRPC complains") != std::string::npos;
      },
      kPatience);
  EXPECT_TRUE(said) << server_.process().Transcript();
  for (const auto& line : server_.process().Lines()) {
    EXPECT_TRUE(nlohmann::json::accept(line.text)) << line.text;
  }
}

TEST(TlsFiles, ThatCannotBeUsedAreRefusedAtTheStart) {
  const CertificateAuthority authority = MakeAuthority("one");
  const auto own = authority.Issue("vigild", "");
  const auto other = authority.Issue("other", "");
  ASSERT_TRUE(own && other);
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused = {
      {{"--tls-cert", own->certificate, "--tls-key", other->key}, "is not the key of"},
      {{"--tls-cert", own->key, "--tls-key", own->key}, "holds no certificate"},
      {{"--tls-cert", own->certificate, "--tls-key", own->certificate}, "holds no private key"},
      {{"--tls-cert", "/missing", "--tls-key", own->key}, "/missing cannot be read"},
      {{"--tls-cert", own->certificate, "--tls-key", own->key, "--tls-client-ca", own->key},
       "holds no certificate"}};
  for (auto [settings, why] : refused) {
    settings.insert(settings.end(), {"--grants", "/missing/grants", "--tokens", "/missing/tokens"});
    settings.insert(settings.begin(), {"serve", "--listen", "127.0.0.1:0", "--http-listen", "off"});
    const Ran ran = RunToEnd("vigild", settings, {{"VIGIL_DATABASE", "host=127.0.0.1 port=1"}});
    EXPECT_EQ(ran.code, 1) << why;
    EXPECT_THAT(ran.said, HasSubstr(why));
  }
}

// Nobody serves the world by an oversight.
TEST(Insecure, IsNothingThatHappensByItself) {
  const std::map<std::string, std::string> database = {{"VIGIL_DATABASE", "host=127.0.0.1 port=1"}};
  const Ran bare = RunToEnd("vigild", {"serve"}, database);
  EXPECT_EQ(bare.code, 2);
  EXPECT_THAT(bare.said, HasSubstr("callers would be neither encrypted nor known"));
  EXPECT_THAT(bare.said, HasSubstr("--insecure true"));
  const std::vector<std::string> tls = {"serve", "--tls-cert", "a.pem", "--tls-key", "a.key"};
  EXPECT_EQ(RunToEnd("vigild", tls, database).code, 2) << "without rights";
  std::vector<std::string> unknown = tls;
  unknown.insert(unknown.end(), {"--grants", "grants"});
  const Ran nobody = RunToEnd("vigild", unknown, database);
  EXPECT_EQ(nobody.code, 2);
  EXPECT_THAT(nobody.said, HasSubstr("no caller could show who it is"));
  for (const char* verb : {"serve", "dev"}) {
    const Ran both =
        RunToEnd("vigild", {verb, "--insecure", "true", "--tls-cert", "a.pem"}, database);
    EXPECT_EQ(both.code, 2);
    EXPECT_THAT(both.said,
                HasSubstr("TLS or rights are set up, and --insecure says to serve without them"));
  }
}

}  // namespace
}  // namespace vigil
