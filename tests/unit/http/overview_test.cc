#include "http/overview.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/cursor.h"
#include "http/query.h"

namespace vigil {
namespace {

using nlohmann::json;

constexpr WallMicros kNoon{1'767'355'200'000'000};  // 2026-01-02T12:00:00Z

Overview Small() {
  Overview overview;
  overview.head = {Seq{9}, Mark{7}};
  overview.read_at = kNoon;
  overview.alive = 1;
  overview.deaths = {.number = 2, .more = true};
  overview.detection_p50 = std::chrono::milliseconds(250);
  overview.pods = {{.ns = "shop",
                    .name = "cart",
                    .incarnation = Incarnation{3},
                    .lease = std::chrono::seconds(3),
                    .coordinator = CoordinatorNumber{1},
                    .registered_at = kNoon}};
  overview.events = {{.seq = Seq{9}, .kind = EventKind::kPodDied, .pod_name = "gone"}};
  overview.coordinators = {{.number = CoordinatorNumber{1}, .address = "here:7420", .pods = 1}};
  overview.connections = 12;
  overview.connection_limit = 97;
  return overview;
}

TEST(OverviewJson, HasTheNamesOfTheContract) {
  const std::string text = ToJson("shop", Small(), 4);
  const json shown = json::parse(text);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(shown.at("namespace"), "shop");
  EXPECT_EQ(shown.at("cursor"), FormatCursor({{Seq{9}, Mark{7}}, "shop"}));
  EXPECT_EQ(shown.at("head"), "9");
  EXPECT_EQ(shown.at("readAt"), "2026-01-02T12:00:00Z");
  EXPECT_EQ(shown.at("alive"), 1);
  EXPECT_EQ(shown.at("suspect"), 0);
  EXPECT_EQ(shown.at("deaths"), (json{{"number", 2}, {"more", true}}));
  EXPECT_EQ(shown.at("detectionP50"), "0.250s");
  EXPECT_FALSE(shown.contains("detectionP99"));
  EXPECT_FALSE(shown.contains("orphansSince"));
  EXPECT_EQ(shown.at("subscribers"), 4);
  EXPECT_EQ(shown.at("connections"), 12);
  EXPECT_EQ(shown.at("connectionLimit"), 97);
  EXPECT_EQ(shown.at("pods").at(0).at("state"), "POD_STATE_ALIVE");
  EXPECT_EQ(shown.at("pods").at(0).at("incarnation"), "3");
  EXPECT_EQ(shown.at("events").at(0).at("kind"), "EVENT_KIND_POD_DIED");
  EXPECT_EQ(shown.at("coordinators").at(0).at("state"), "ALIVE");
}

TEST(OverviewJson, EmptyListsAreThere) {
  const json shown = json::parse(ToJson("shop", {}, 0));
  for (const char* list : {"pods", "events", "coordinators"}) {
    EXPECT_EQ(shown.at(list), json::array()) << list;
  }
}

TEST(OverviewJson, HostileTextStaysText) {
  for (const std::string name : {"<img src=x onerror=alert(1)>", "\"},{\"state\":\"", "a\\u202eb",
                                 "\u202egnp.exe", "line\nbreak", "\xff\xfe no utf-8"}) {
    Overview overview = Small();
    overview.pods[0].name = name;
    overview.events[0].work_key = name;
    overview.coordinators[0].address = name;
    const json shown = json::parse(ToJson("shop", overview, 0));
    const std::string kept = shown.at("pods").at(0).at("name");
    EXPECT_TRUE(kept == name || name[0] == '\xff') << kept;
    EXPECT_EQ(shown.at("events").at(0).at("workKey"), kept);
    EXPECT_EQ(shown.at("coordinators").at(0).at("address"), kept);
    EXPECT_EQ(shown.at("pods").size(), 1U);
  }
}

TEST(Query, TheNamespaceAlone) {
  EXPECT_EQ(NamespaceFrom("").value(), "default");
  EXPECT_EQ(NamespaceFrom("namespace=").value(), "default");
  EXPECT_EQ(NamespaceFrom("namespace=shop").value(), "shop");
  EXPECT_EQ(NamespaceFrom("&namespace=%73hop&").value(), "shop");
  for (const char* query : {"namespace=a&namespace=a", "namespace=a%2", "namespace=A B", "ns=a",
                            "namespace=a&kind=POD_DIED", "namespace=%00"}) {
    EXPECT_FALSE(NamespaceFrom(query)) << query;
  }
}

}  // namespace
}  // namespace vigil
