#include "base/log.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

namespace vigil::log {
namespace {

const std::string kHostile = "a \"b\"\n\\c\t\x1b[31m=\x7f";

nlohmann::json ParseBody(const std::string& body) {
  return nlohmann::json::parse("{" + body + "}");
}

TEST(LogBody, TextIsOneLineWhateverComesIn) {
  std::array fields{Field("name", kHostile), Field("plain", "cart-1"), Field("empty", ""),
                    Field("count", 42)};
  std::string body = Body(Format::kText, "something happened", fields);
  EXPECT_EQ(body.find('\n'), std::string::npos);
  EXPECT_EQ(body.find('\x1b'), std::string::npos);
  EXPECT_NE(body.find(" plain=cart-1"), std::string::npos);
  EXPECT_NE(body.find(" empty=\"\""), std::string::npos);
  EXPECT_NE(body.find(" count=42"), std::string::npos);
  EXPECT_EQ(body.rfind("something happened", 0), 0U);
}

TEST(LogBody, JsonIsJsonWhateverComesIn) {
  std::array fields{Field("name", kHostile), Field("number", Number<struct AnyTag>{7})};
  auto parsed = ParseBody(Body(Format::kJson, "it \"broke\"", fields));
  EXPECT_EQ(parsed["message"], "it \"broke\"");
  EXPECT_EQ(parsed["name"], kHostile);
  EXPECT_EQ(parsed["number"], "7");
}

TEST(LogBody, InvalidUtf8IsReplaced) {
  std::array fields{Field("name", "\xff\xfe")};
  EXPECT_TRUE(ParseBody(Body(Format::kJson, "x", fields))["name"].is_string());
  std::string text = Body(Format::kText, "x", fields);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
}

}  // namespace
}  // namespace vigil::log
