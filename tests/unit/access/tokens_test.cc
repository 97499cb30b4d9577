// The file of tokens: who is known by which.
#include "access/tokens.h"

#include <gmock/gmock.h>

#include "access/lines.h"

namespace vigil {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFirst[] = "first-token-of-16";
constexpr char kSecond[] = "second-token-of-17";

std::string MessageOf(const std::string& text) {
  const auto tokens = Tokens::Parse(text);
  return tokens ? "" : tokens.error().message;
}

TEST(Tokens, SeveralOfOneIdentityAreAllGood) {
  const auto tokens = Tokens::Parse(std::string("# who calls\n\n web ") + kFirst +
                                    "   # until friday\r\nweb\t" + kSecond + "\n");
  ASSERT_TRUE(tokens) << tokens.error().message;
  EXPECT_EQ(tokens->size(), 2U);
  for (const char* token : {kFirst, kSecond}) {
    const std::string* identity = tokens->IdentityOf(DigestOf(token));
    ASSERT_TRUE(identity) << token;
    EXPECT_EQ(*identity, "web");
  }
  EXPECT_FALSE(tokens->IdentityOf(DigestOf("first-token-of-1")));
  EXPECT_FALSE(tokens->IdentityOf(DigestOf("")));
}

TEST(Tokens, AnEmptyFileKnowsNobody) {
  const auto tokens = Tokens::Parse("");
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->size(), 0U);
}

TEST(Tokens, AMistakeNamesTheLineAndNeverTheToken) {
  const std::string good = std::string("web ") + kFirst + "\n";
  for (const std::string& wrong :
       {std::string("secret-of-somebody"), std::string("web secret-of-somebody more"),
        std::string("web secret"), std::string("* secret-of-somebody"),
        "web secret" + std::string(4096, 'x'), std::string("web secret-with-\x01-bell-in-it"),
        std::string("other ") + kFirst, std::string("web ") + kFirst}) {
    const std::string message = MessageOf(good + "\n" + wrong + "\n" + good);
    EXPECT_THAT(message, HasSubstr("line 3: "));
    EXPECT_THAT(message, Not(HasSubstr("secret")));
    EXPECT_THAT(message, Not(HasSubstr(kFirst)));
  }
}

// P11
TEST(Tokens, TheFileIsBounded) {
  EXPECT_THAT(MessageOf(std::string(kLargestFile + 1, '#')), HasSubstr("larger than 1 MiB"));
  EXPECT_EQ(MessageOf(std::string(kMostLines, '\n')), "");
  EXPECT_THAT(MessageOf(std::string(kMostLines + 1, '\n')), HasSubstr("more than 10000 lines"));
}

TEST(Digests, AreThoseOfTheStandard) {
  EXPECT_EQ(ShortText(DigestOf("abc")), "ba7816bf8f01cfea414140de5dae2223");
  EXPECT_TRUE(Equal(DigestOf("abc"), DigestOf("abc")));
  EXPECT_FALSE(Equal(DigestOf("abc"), DigestOf("abd")));
}

}  // namespace
}  // namespace vigil
