#include "http/page.h"

#include <gmock/gmock.h>

#include <map>

namespace vigil {
namespace {

using testing::HasSubstr;
using testing::Not;

// What is answered at this path; the resource answers at once.
Answer Served(const std::string& path) {
  for (const Resource& resource : PageResources()) {
    if (resource.path != path) continue;
    Answer given{.status = HttpStatus::kInternal};
    resource.serve({}, [&](Answer answer) { given = std::move(answer); });
    return given;
  }
  return {.status = HttpStatus::kNotFound};
}

TEST(Page, IsAtTheRootAndItsFilesBesideIt) {
  EXPECT_THAT(Served("/").body, HasSubstr("<!doctype html>"));
  EXPECT_EQ(Served("/").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(Served("/page/page.css").content_type, "text/css; charset=utf-8");
  EXPECT_EQ(Served("/page/main.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(Served("/page/icon.svg").content_type, "image/svg+xml");
  EXPECT_EQ(Served("/page/index.html").status, HttpStatus::kNotFound);
  EXPECT_EQ(Served("/page/README.md").status, HttpStatus::kNotFound);
}

TEST(Page, EveryFileComesWithThePolicy) {
  for (const PageFile& file : PageFiles()) {
    const Answer answer = Served(std::string(file.path));
    EXPECT_EQ(answer.status, HttpStatus::kOk) << file.path;
    const std::map<std::string, std::string> headers(answer.headers.begin(), answer.headers.end());
    EXPECT_EQ(headers.at("Content-Security-Policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
              "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    EXPECT_EQ(headers.at("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(headers.at("Referrer-Policy"), "no-referrer");
  }
}

TEST(Page, HasNoScriptOrStyleOfItsOwnAndNothingFromElsewhere) {
  const std::string page = Served("/").body;
  EXPECT_THAT(page, Not(HasSubstr("<style")));
  EXPECT_THAT(page, Not(HasSubstr("style=")));
  EXPECT_THAT(page, Not(testing::ContainsRegex(" on[a-z]+=")));
  for (const PageFile& file : PageFiles()) {
    std::string text(file.text);
    // The name of a language is no address.
    if (const size_t name = text.find("http://www.w3.org/2000/svg"); name != std::string::npos) {
      text.erase(name, 26);
    }
    EXPECT_THAT(text, Not(HasSubstr("://"))) << file.path;
    EXPECT_THAT(text, Not(HasSubstr("innerHTML"))) << file.path;
    EXPECT_THAT(text, Not(HasSubstr("localStorage"))) << file.path;
  }
}

}  // namespace
}  // namespace vigil
