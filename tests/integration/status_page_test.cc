// The overview and the status page of a whole server.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/errors.h"
#include "integration/http_client.h"
#include "integration/secure_server.h"
#include "integration/test_server.h"

namespace vigil {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kOverview[] = "/v1/overview?namespace=default";

std::string Bearing(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }

json OverviewOf(int port) {
  const HttpResponse response = Fetch(port, kOverview);
  EXPECT_EQ(response.status, 200) << response.body;
  return json::parse(response.body, nullptr, /*allow_exceptions=*/false);
}

// As soon as this holds of it; it is kept for a second.
json AwaitOverview(int port, const std::function<bool(const json&)>& holds) {
  const Instant limit = SystemClock().Now() + std::chrono::seconds(30);
  json overview = OverviewOf(port);
  while (!holds(overview) && SystemClock().Now() < limit) overview = OverviewOf(port);
  return overview;
}

TEST(StatusPage, IsServedAtTheRoot) {
  TestDatabase database;
  TestServer server(database.conninfo());
  const HttpResponse page = Fetch(server.http_port(), "/?namespace=shop");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.head, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(page.head, HasSubstr("Content-Security-Policy: default-src 'none';"));
  EXPECT_THAT(page.head, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(page.body, HasSubstr("/page/main.js"));
  EXPECT_EQ(Fetch(server.http_port(), "/page/main.js").status, 200);
  EXPECT_EQ(Fetch(server.http_port(), "/page/../etc/passwd").status, 404);
}

TEST(StatusPage, OverviewTellsWhoLivesAndDiedAndWhereTheLogStands) {
  TestDatabase database;
  TestServer server(database.conninfo());
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod alive(server, "alive");
  RawPod dead(server, "dead");
  dead.Break();

  const json overview = AwaitOverview(server.http_port(), [](const json& shown) {
    return shown["alive"] == 1 && shown["deaths"]["number"] == 1;
  });

  EXPECT_EQ(overview["pods"][0]["name"], "alive");
  EXPECT_EQ(overview["events"][0]["podName"], "dead");
  EXPECT_EQ(overview["events"][0]["cause"], "CAUSE_STREAM_ENDED");
  EXPECT_EQ(overview["coordinators"][0]["pods"], 1);
  EXPECT_GT(overview["connections"], 0);
  EXPECT_GT(overview["connectionLimit"], overview["connections"]);
  // Whoever goes on from there misses nothing.   (P8)
  const std::string cursor = overview["cursor"];
  RawPod next(server, "next");
  EventStream events(server.http_port(), "/v1/events?namespace=default&after=" + cursor);
  const auto first = events.Next();
  ASSERT_TRUE(first);
  EXPECT_THAT(first->data, HasSubstr("\"podName\":\"next\""));
}

TEST(StatusPage, OverviewOfNonsenseIsRefused) {
  TestDatabase database;
  TestServer server(database.conninfo());
  for (const char* target : {"/v1/overview?namespace=UPPER", "/v1/overview?namespace=a&b=c",
                             "/v1/overview?namespace=%zz"}) {
    const HttpResponse response = Fetch(server.http_port(), target);
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_THAT(response.body, HasSubstr(std::string(reason::kInvalidField)));
  }
}

TEST(StatusPage, DatabaseAwayIsA503WithTheReason) {
  TestServer server("host=127.0.0.1 port=1 user=nobody dbname=nowhere connect_timeout=1");
  const HttpResponse response = Fetch(server.http_port(), kOverview);
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr(std::string(reason::kDatabaseUnavailable)));
  EXPECT_THAT(response.head, HasSubstr("Retry-After: 1\r\n"));
  EXPECT_EQ(Fetch(server.http_port(), "/").status, 200) << "the page says so";
}

TEST(StatusPage, OverviewIsForThoseWhoMayLookAtEverything) {
  SecureServer server;
  server.Serve({"--tokens",
                server.Write("tokens",
                             "reader token-of-the-reader\n"
                             "web token-of-the-web-pods\n"
                             "both token-of-both-roles\n"
                             "ops token-of-the-operators\n"),
                "--grants",
                server.Write("grants",
                             "reader default read-only\n"
                             "web default member,claimer\n"
                             "both default member,subscriber\n"
                             "ops * operator\n")});
  const int port = server.http_port();
  EXPECT_EQ(Fetch(port, "/").status, 200);

  const HttpResponse nobody = Fetch(port, kOverview);
  EXPECT_EQ(nobody.status, 401);
  EXPECT_THAT(nobody.body, HasSubstr(std::string(reason::kCallerUnknown)));
  EXPECT_EQ(Fetch(port, kOverview, Bearing("token-that-nobody-has")).status, 401);

  const HttpResponse web = Fetch(port, kOverview, Bearing("token-of-the-web-pods"));
  EXPECT_EQ(web.status, 403);
  EXPECT_THAT(web.body, HasSubstr(std::string(reason::kNotGranted)));
  EXPECT_THAT(web.body, HasSubstr("operator, read-only"));

  EXPECT_EQ(Fetch(port, kOverview, Bearing("token-of-the-reader")).status, 200);
  // It sees all of this anyway.
  EXPECT_EQ(Fetch(port, kOverview, Bearing("token-of-both-roles")).status, 200);
  EXPECT_EQ(Fetch(port, "/v1/overview?namespace=shop", Bearing("token-of-the-reader")).status, 403);
  EXPECT_EQ(Fetch(port, "/v1/overview?namespace=shop", Bearing("token-of-the-operators")).status,
            200);
}

}  // namespace
}  // namespace vigil
