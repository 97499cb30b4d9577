#include "http/events_target.h"

#include <gmock/gmock.h>

#include "core/cursor.h"
#include "core/errors.h"

namespace vigil {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr std::string_view kBegin = "/v1/events?namespace=default";
const Cursor kCursor{{{7}, {0xbeef}}, "default"};

SubscriptionRequest Read(const std::string& more, std::string_view last_event_id = {}) {
  auto request = ParseEventsTarget(std::string(kBegin) + more, last_event_id);
  EXPECT_TRUE(request) << more << ": " << request.error().message;
  return request ? *request : SubscriptionRequest{};
}

void ExpectRefused(const std::string& target, std::string_view reason, std::string_view field,
                   std::string_view last_event_id = {}) {
  const auto request = ParseEventsTarget(target, last_event_id);
  ASSERT_FALSE(request) << target;
  EXPECT_EQ(request.error().reason, reason) << target;
  EXPECT_EQ(request.error().code, Code::kInvalidArgument);
  if (!field.empty()) {
    EXPECT_EQ(request.error().metadata.front().second, field) << target;
  }
}

TEST(EventsTarget, WithoutAStartItIsFromNow) {
  const auto request = Read("");
  EXPECT_EQ(request.ns, "default");
  EXPECT_TRUE(std::holds_alternative<FromNow>(request.start));
  EXPECT_TRUE(request.filter.empty());
}

TEST(EventsTarget, ReadsEveryStart) {
  EXPECT_TRUE(std::holds_alternative<FromNow>(Read("&from=now").start));
  EXPECT_TRUE(std::holds_alternative<FromOldest>(Read("&from=oldest").start));
  EXPECT_EQ(std::get<Cursor>(Read("&after=" + FormatCursor(kCursor)).start), kCursor);
}

// A browser comes back with the target that it began with.
TEST(EventsTarget, LastEventIdWinsOverTheQuery) {
  const std::string id = FormatCursor(kCursor);
  for (const char* start : {"", "&from=now", "&from=oldest", "&after=v1.1.default.1"}) {
    EXPECT_EQ(std::get<Cursor>(Read(start, id).start), kCursor) << start;
  }
}

TEST(EventsTarget, KindsAreRepeatedOrSeparatedByCommas) {
  for (const char* more : {"&kind=POD_DIED&kind=POD_LEFT", "&kind=POD_DIED,POD_LEFT",
                           "&kind=POD_DIED%2CPOD_LEFT", "&kind=POD_DIED&kind=POD_DIED,POD_LEFT"}) {
    EXPECT_THAT(Read(more).filter.kinds, ElementsAre(EventKind::kPodDied, EventKind::kPodLeft))
        << more;
  }
}

TEST(EventsTarget, LabelsArePercentDecoded) {
  EXPECT_THAT(Read("&label=zone=eu-1&label=app%3Da%26b").filter.pod_labels,
              ElementsAre(Pair("app", "a&b"), Pair("zone", "eu-1")));
  EXPECT_THAT(Read("&label=note=two+words%2B=").filter.pod_labels,
              ElementsAre(Pair("note", "two words+=")));
  EXPECT_THAT(Read("&label=empty=").filter.pod_labels, ElementsAre(Pair("empty", "")));
}

// P11: what is wrong is named.
TEST(EventsTarget, WhatIsMalformedIsRefusedByItsName) {
  const std::string begin(kBegin);
  ExpectRefused("/v1/events", reason::kInvalidField, "namespace");
  ExpectRefused("/v1/events?namespace=No!", reason::kInvalidField, "namespace");
  ExpectRefused(begin + "&namespace=other", reason::kInvalidField, "namespace");
  ExpectRefused(begin + "&follow=true", reason::kInvalidField, "follow");
  ExpectRefused(begin + "&from=yesterday", reason::kInvalidField, "from");
  ExpectRefused(begin + "&from=now&from=now", reason::kInvalidField, "from");
  ExpectRefused(begin + "&from=now&after=v1.1.default.1", reason::kInvalidField, "from");
  ExpectRefused(begin + "&kind=", reason::kInvalidField, "kind");
  ExpectRefused(begin + "&kind=POD_DIED,", reason::kInvalidField, "kind");
  ExpectRefused(begin + "&kind=pod_died", reason::kInvalidField, "kind");
  ExpectRefused(begin + "&label=zone", reason::kInvalidField, "label");
  ExpectRefused(begin + "&label==eu", reason::kInvalidField, "labels");
  ExpectRefused(begin + "&label=a=1&label=a=2", reason::kInvalidField, "label");
  ExpectRefused(begin + "&label=a=%00", reason::kInvalidField, "labels");
  ExpectRefused(begin + "&label=a=%zz", reason::kInvalidField, "label");
  ExpectRefused(begin + "&label=a=%e", reason::kInvalidField, "label");
  ExpectRefused(begin + "&%zz=1", reason::kInvalidField, "query");
}

TEST(EventsTarget, MalformedCursorsAreRefusedWhereverTheyStand) {
  const std::string begin(kBegin);
  ExpectRefused(begin + "&after=", reason::kInvalidCursor, "");
  ExpectRefused(begin + "&after=7", reason::kInvalidCursor, "");
  ExpectRefused(begin + "&after=v1.beef.other.7", reason::kInvalidCursor, "");
  ExpectRefused(begin, reason::kInvalidCursor, "", "7");
  // The one that would not count, too.
  ExpectRefused(begin + "&after=7", reason::kInvalidCursor, "", FormatCursor(kCursor));
}

// P11
TEST(EventsTarget, LabelsAreBounded) {
  std::string more;
  for (int i = 0; i < 32; ++i) more += "&label=k" + std::to_string(i) + "=v";
  EXPECT_EQ(Read(more).filter.pod_labels.size(), 32u);
  ExpectRefused(std::string(kBegin) + more + "&label=k32=v", reason::kInvalidField, "labels");
}

}  // namespace
}  // namespace vigil
