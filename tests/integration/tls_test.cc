// TLS on the gRPC port, with real processes and certificates that openssl made.
#include <gmock/gmock.h>

#include <filesystem>

#include "support/certificates.h"
#include "support/process.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr char kHere[] = "IP:127.0.0.1,DNS:localhost";
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

CertificateAuthority MakeAuthority(const std::string& name) {
  auto authority = CertificateAuthority::Make(name);
  EXPECT_TRUE(authority) << authority.error().message;
  return std::move(*authority);
}

class TlsTest : public testing::Test {
 protected:
  CertificateAuthority::Issued Issue(const CertificateAuthority& authority, const std::string& name,
                                     const std::string& alternatives, int days = 2) {
    const auto issued = authority.Issue(name, alternatives, days);
    EXPECT_TRUE(issued) << issued.error().message;
    return *issued;
  }

  // With the server's own certificate, and more settings.
  void Serve(std::vector<std::string> settings = {}) {
    const auto program = FindBuilt("vigild");
    ASSERT_TRUE(program) << program.error().message;
    std::vector<std::string> command = {*program,        "serve", "--listen",   "127.0.0.1:0",
                                        "--http-listen", "off",   "--tls-cert", own_.certificate,
                                        "--tls-key",     own_.key};
    command.insert(command.end(), settings.begin(), settings.end());
    auto server = Process::Spawn(
        {.command = std::move(command), .environment = {{"VIGIL_DATABASE", database_.conninfo()}}});
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    const auto says = [](const char* text) {
      return [=](const Process::Line& line) { return line.text.find(text) != std::string::npos; };
    };
    const auto listening = server_->AwaitLine(says("Listening."), kPatience);
    ASSERT_TRUE(listening) << server_->Transcript();
    port_ = listening->text.substr(listening->text.rfind("port=") + 5);
    ASSERT_TRUE(server_->AwaitLine(says("Joined the cluster."), kPatience))
        << server_->Transcript();
  }

  Ran Vigil(std::vector<std::string> words, const std::string& host = "127.0.0.1") {
    words.insert(words.begin(), {"--address", host + ":" + port_});
    words.insert(words.end(), {"pods", "list"});
    return RunToEnd("vigil", std::move(words));
  }

  TestDatabase database_;
  CertificateAuthority authority_ = MakeAuthority("one");
  CertificateAuthority::Issued own_ = Issue(authority_, "vigild", kHere);
  std::unique_ptr<Process> server_;
  std::string port_;
};

TEST_F(TlsTest, CallersThatTrustItsAuthorityAreServed) {
  Serve();
  const Ran served = Vigil({"--tls-ca", authority_.certificate()});
  EXPECT_EQ(served.code, 0) << served.said << server_->Transcript();
  EXPECT_NE(Vigil({}).code, 0) << "plain text";
  const CertificateAuthority other = MakeAuthority("other");
  EXPECT_NE(Vigil({"--tls-ca", other.certificate()}).code, 0) << "another authority";
  EXPECT_NE(Vigil({"--tls-ca", "system"}).code, 0) << "the machine's authorities";
}

TEST_F(TlsTest, ItsCertificateMustNameWhatIsCalled) {
  own_ = Issue(authority_, "vigild", "DNS:vigil.example");
  Serve();
  EXPECT_NE(Vigil({"--tls-ca", authority_.certificate()}).code, 0);
  const Ran served =
      Vigil({"--tls-ca", authority_.certificate(), "--tls-server-name", "vigil.example"});
  EXPECT_EQ(served.code, 0) << served.said;
}

TEST_F(TlsTest, WithAnAuthorityForCallersEveryOneNeedsItsCertificate) {
  Serve({"--tls-client-ca", authority_.certificate()});
  const auto with = [&](const CertificateAuthority::Issued& shown) {
    return Vigil({"--tls-ca", authority_.certificate(), "--tls-cert", shown.certificate,
                  "--tls-key", shown.key});
  };
  const Ran served = with(Issue(authority_, "web", ""));
  EXPECT_EQ(served.code, 0) << served.said << server_->Transcript();
  EXPECT_EQ(Vigil({"--tls-ca", authority_.certificate()}).code, 3) << "none";
  const CertificateAuthority other = MakeAuthority("other");
  EXPECT_EQ(with(Issue(other, "web", "")).code, 3) << "of another authority";
  EXPECT_EQ(with(Issue(authority_, "late", "", -1)).code, 3) << "expired";
}

// The files are replaced while a call after the other is made: in the end all go by the new ones.
TEST_F(TlsTest, FilesThatChangeAreReadAgain) {
  const CertificateAuthority other = MakeAuthority("other");
  const auto old_web = Issue(authority_, "web", "");
  const auto new_web = Issue(other, "web", "");
  const std::string callers = authority_.directory() + "/callers.pem";
  std::filesystem::copy_file(authority_.certificate(), callers);
  Serve({"--tls-client-ca", callers});
  const auto with = [&](const CertificateAuthority& trusted,
                        const CertificateAuthority::Issued& shown) {
    return Vigil({"--tls-ca", trusted.certificate(), "--tls-cert", shown.certificate, "--tls-key",
                  shown.key})
        .code;
  };
  ASSERT_EQ(with(authority_, old_web), 0) << server_->Transcript();

  const auto replacement = Issue(other, "vigild", kHere);
  const auto replace = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to + ".new");
    std::filesystem::rename(to + ".new", to);
  };
  replace(replacement.key, own_.key);
  replace(replacement.certificate, own_.certificate);
  replace(other.certificate(), callers);
  const Instant limit = Now() + kPatience;
  while (with(other, new_web) != 0) ASSERT_LT(Now(), limit) << server_->Transcript();
  EXPECT_NE(with(authority_, old_web), 0) << "the old ones still hold";
}

TEST(TlsFiles, ThatCannotBeUsedAreRefusedAtTheStart) {
  const CertificateAuthority authority = MakeAuthority("one");
  const auto own = authority.Issue("vigild", kHere);
  const auto other = authority.Issue("other", kHere);
  ASSERT_TRUE(own && other);
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused = {
      {{"--tls-cert", own->certificate, "--tls-key", other->key}, "is not the key of"},
      {{"--tls-cert", own->key, "--tls-key", own->key}, "holds no certificate"},
      {{"--tls-cert", own->certificate, "--tls-key", own->certificate}, "holds no private key"},
      {{"--tls-cert", "/missing", "--tls-key", own->key}, "/missing cannot be read"},
      {{"--tls-cert", own->certificate, "--tls-key", own->key, "--tls-client-ca", own->key},
       "holds no certificate"}};
  for (auto [settings, why] : refused) {
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
  const Ran half = RunToEnd("vigild", {"serve", "--tls-cert", "a.pem"}, database);
  EXPECT_EQ(half.code, 2);
  for (const char* verb : {"serve", "dev"}) {
    const Ran both =
        RunToEnd("vigild", {verb, "--insecure", "true", "--tls-cert", "a.pem"}, database);
    EXPECT_EQ(both.code, 2);
    EXPECT_THAT(both.said, HasSubstr("TLS is set up, and --insecure says to serve without it"));
  }
}

}  // namespace
}  // namespace vigil
