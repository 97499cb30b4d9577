// What a client shows of itself, and to whom it does not.
#include "credentials.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "token_file.h"

namespace vigil::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CredentialsTest : public ::testing::Test {
 protected:
  ~CredentialsTest() override { std::filesystem::remove(file_); }

  void Write(const std::string& text) const { std::ofstream(file_) << text; }

  const std::string file_ = std::filesystem::temp_directory_path() /
                            ("vigil-token-" + std::to_string(getpid()) + "-" +
                             ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(CredentialsTest, ATokenGoesToThisMachineOrOverTls) {
  Write("s3cret\n");
  for (const char* address :
       {"localhost:7420", "127.0.0.1:7420", "127.9.9.9:1", "[::1]:7420", "unix:/run/vigil"}) {
    EXPECT_TRUE(Client::Create({.addresses = {address}, .token_file = file_})) << address;
  }
  for (const char* address :
       {"vigil-0:7420", "127.0.0.1.example.com:7420", "127.evil:7420", "10.0.0.1:7420",
        "localhost.example.com:7420", "[::2]:7420", "dns:///localhost:7420"}) {
    const auto refused =
        Client::Create({.addresses = {"localhost:1", address}, .token_file = file_});
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("in plain text"));
    EXPECT_TRUE(Client::Create({.addresses = {address}, .tls = Tls{}, .token_file = file_}));
  }
}

TEST_F(CredentialsTest, AFileThatHoldsNoTokenIsRefusedWithoutItsText) {
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("two words"), std::string("two\nlines\n"),
        std::string("bell\a"), std::string("z\xC3\xA4h"), std::string(4097, 'x')}) {
    Write(text);
    const auto refused = TokenFile::Check(file_);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("holds no token"));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("two")));
  }
  Write(std::string(4096, 'x') + "\r\n");
  EXPECT_TRUE(TokenFile::Check(file_));
  EXPECT_FALSE(TokenFile::Check(file_ + ".missing"));
}

TEST_F(CredentialsTest, ATokenThatCannotBeReadAnyMoreStays) {
  Write("first\n");
  TokenFile token(file_);
  EXPECT_EQ(token.Token(), "first");
  Write("no token\n");
  EXPECT_EQ(token.Token(), "first");
}

TEST_F(CredentialsTest, ACertificateAndItsKeyComeTogether) {
  Write("whatever");
  const auto refused = Client::Create({.addresses = {"a:1"}, .tls = Tls{.cert_file = file_}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("needs its key"));
  const auto missing = Client::Create({.addresses = {"a:1"}, .tls = Tls{.ca_file = "/missing"}});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("/missing cannot be read"));
}

}  // namespace
}  // namespace vigil::client
