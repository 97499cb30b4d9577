#include "core/cursor.h"

#include <gtest/gtest.h>

#include "core/errors.h"

namespace vigil {
namespace {

TEST(Cursor, Text_ComesBackAsItWas) {
  for (const Cursor& cursor : {Cursor{{}, "default"}, Cursor{{{42}, {0xffffffffffffffff}}, "a-b"},
                               Cursor{{{UINT64_MAX}, {7}}, std::string(63, 'x')}}) {
    const auto parsed = ParseCursor(FormatCursor(cursor), cursor.ns);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, cursor);
  }
}

// P11
TEST(Cursor, Malformed_IsRefusedWithAReason) {
  for (const std::string text :
       {"", "v1", "v1.", "v1.1.default", "v1.1.default.", "v2.1.default.1", "v1.0.default.1",
        "v1.g.default.1", "v1.1.default.-1", "v1.1.default.1.1", "v1.1.default.01",
        "v1.01.default.1", "v1.1.default.1 ", "v1.1.default.99999999999999999999", "v1.1.other.1",
        "v1..default.1", "v1.A.default.1", "v1.1.default.0"}) {
    const auto parsed = ParseCursor(text, "default");
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().Is(reason::kInvalidCursor)) << text;
  }
  EXPECT_FALSE(ParseCursor(std::string(129, '1'), "default"));
}

}  // namespace
}  // namespace vigil
