// The files of TLS of a caller, with the library, a real server and certificates that openssl made.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "integration/secure_server.h"
#include "support/process.h"
#include "vigil/client.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr auto kPatience = seconds(30);
// The library looks at its files once a second.
constexpr auto kSurelyLooked = std::chrono::milliseconds(1500);

std::string TextOf(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class ClientTlsTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Serve({"--tls-client-ca", server_.authority().certificate(), "--grants",
                   server_.Write("grants", "web web-pods read-only\njobs job-pods read-only\n")});
    web_ = server_.Issue("web");
    jobs_ = server_.Issue("jobs");
  }

  client::Tls Files() const {
    return {.ca_file = server_.authority().certificate(),
            .cert_file = web_.certificate,
            .key_file = web_.key};
  }

  client::Client Connect() {
    auto client = client::Client::Create({.addresses = {server_.address()}, .tls = Files()});
    EXPECT_TRUE(client);
    return *client;
  }

  static bool MayRead(const client::Client& client, const std::string& ns) {
    return client.ListPods({.ns = ns}).has_value();
  }

  SecureServer server_;
  SecureServer::Issued web_;
  SecureServer::Issued jobs_;
};

TEST_F(ClientTlsTest, FilesThatAreWrittenInPlaceAndAreUnfitChangeNothing) {
  const client::Client client = Connect();
  ASSERT_TRUE(MayRead(client, "web-pods"));
  struct Harm {
    std::string file;
    std::string text;
  };
  for (const auto& [file, text] :
       {Harm{web_.key, ""}, Harm{web_.key, TextOf(jobs_.key)}, Harm{web_.certificate, ""},
        Harm{server_.authority().certificate(), ""}}) {
    SCOPED_TRACE(file + " holds \"" + text + "\"");
    const std::string fine = TextOf(file);
    std::ofstream(file) << text;
    for (const Instant until = Now() + kSurelyLooked; Now() < until;) {
      ASSERT_TRUE(MayRead(client, "web-pods"));
    }
    std::ofstream(file) << fine;
  }
}

TEST_F(ClientTlsTest, FilesThatChangeAreReadAgain) {
  const client::Client client = Connect();
  ASSERT_TRUE(MayRead(client, "web-pods"));
  ASSERT_FALSE(MayRead(client, "job-pods"));
  std::ofstream(web_.key) << TextOf(jobs_.key);
  std::ofstream(web_.certificate) << TextOf(jobs_.certificate);
  for (const Instant limit = Now() + kPatience; !MayRead(client, "job-pods");) {
    ASSERT_LT(Now(), limit) << server_.process().Transcript();
  }
}

TEST_F(ClientTlsTest, FilesThatCannotBeUsedAreRefused) {
  client::Tls swapped = Files();
  swapped.key_file = jobs_.key;
  const auto refused = client::Client::Create({.addresses = {server_.address()}, .tls = swapped});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, client::Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("is not the key of " + web_.certificate));
}

}  // namespace
}  // namespace vigil
