#include "http/json.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "vigil/v1/pod_event_service.pb.h"

namespace vigil {
namespace {

using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageToJsonString;

// Reads the text as this message of the contract, has protobuf print it, and expects the same.
template <typename Message>
Message ExpectProtobufPrintsTheSame(const std::string& text) {
  Message message;
  const auto read = JsonStringToMessage(text, &message);
  EXPECT_TRUE(read.ok()) << read.ToString() << "\n" << text;
  std::string printed;
  EXPECT_TRUE(MessageToJsonString(message, &printed).ok());
  EXPECT_EQ(nlohmann::json::parse(text), nlohmann::json::parse(printed)) << text << "\n" << printed;
  return message;
}

Event FullEvent() {
  return {.seq = {7},
          .transaction_end = {7},
          .mark = {99},
          .kind = EventKind::kPodDied,
          .pod_name = "a",
          .incarnation = {uint64_t{1} << 53 | 1},
          .cause = Cause::kLockFree,
          .orphans = 3,
          .work_key = "k \"ü\"",
          .fence = {4},
          .previous_owner = {5},
          .occurred_at = {1'700'000'000'123'456},
          .detected_at = {1'700'000'000'120'000},
          .pod_labels = {{"zone", "eu-1"}, {"note", "a\tb"}}};
}

TEST(Json, AnEventIsThatOfTheContract) {
  const auto event = ExpectProtobufPrintsTheSame<v1::Event>(ToJson(FullEvent()));
  EXPECT_EQ(event.seq(), 7u);
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_POD_DIED);
  EXPECT_EQ(event.pod_name(), "a");
  EXPECT_EQ(event.incarnation(), uint64_t{1} << 53 | 1);
  EXPECT_EQ(event.cause(), v1::CAUSE_LOCK_FREE);
  EXPECT_EQ(event.evidence(), v1::EVIDENCE_WEAK);
  EXPECT_EQ(event.orphans(), 3u);
  EXPECT_EQ(event.work_key(), "k \"ü\"");
  EXPECT_EQ(event.fence(), 4u);
  EXPECT_EQ(event.previous_owner(), 5u);
  EXPECT_EQ(event.occurred_at().seconds(), 1'700'000'000);
  EXPECT_EQ(event.occurred_at().nanos(), 123'456'000);
  EXPECT_EQ(event.detected_at().nanos(), 120'000'000);
  EXPECT_EQ(event.pod_labels().at("note"), "a\tb");
}

TEST(Json, WhatHasItsDefaultIsLeftOut) {
  const std::string text = ToJson(Event{.seq = {1}, .occurred_at = {1'000'000}});
  EXPECT_EQ(text, R"({"seq":"1","kind":"EVENT_KIND_POD_REGISTERED",)"
                  R"("occurredAt":"1970-01-01T00:00:01Z"})");
  ExpectProtobufPrintsTheSame<v1::Event>(text);
}

TEST(Json, EveryKindAndCauseHasItsName) {
  for (const EventKind kind : kAllEventKinds) {
    Event event = FullEvent();
    event.kind = kind;
    ExpectProtobufPrintsTheSame<v1::Event>(ToJson(event));
  }
  for (int i = 0; i <= static_cast<int>(Cause::kSuperseded); ++i) {
    Event event = FullEvent();
    event.cause = static_cast<Cause>(i);
    ExpectProtobufPrintsTheSame<v1::Event>(ToJson(event));
  }
}

TEST(Json, TimesAreThoseOfTheCalendar) {
  for (const uint64_t seconds : {0ull, 68'169'599ull, 951'782'400ull, 1'709'164'800ull,
                                 1'735'689'599ull, 4'102'444'800ull}) {
    for (const uint64_t micros : {0ull, 1ull, 1'000ull, 999'999ull}) {
      Event event = FullEvent();
      event.occurred_at = {seconds * 1'000'000 + micros};
      const auto read = ExpectProtobufPrintsTheSame<v1::Event>(ToJson(event));
      EXPECT_EQ(static_cast<uint64_t>(read.occurred_at().seconds()), seconds);
      EXPECT_EQ(static_cast<uint64_t>(read.occurred_at().nanos()), micros * 1'000);
    }
  }
}

TEST(Json, ASnapshotIsThatOfTheContract) {
  const Pod pod{.ns = "default",
                .name = "a",
                .incarnation = {3},
                .state = PodState::kSuspect,
                .profile = Profile::kFast,
                .lease = std::chrono::milliseconds(2500),
                .labels = {{"zone", "eu-1"}},
                .coordinator = {1},
                .session = {9},
                .cause = Cause::kStreamEnded,
                .registered_at = {1'700'000'000'000'000}};
  Pod ended = pod;
  ended.state = PodState::kDead;
  ended.ended_at = {1'700'000'001'000'000};
  const auto snapshot = ExpectProtobufPrintsTheSame<v1::Snapshot>(
      ToJson(SnapshotPart{.pods = {pod, ended}, .cursor = Cursor{{{4}, {64}}, "default"}}));
  ASSERT_EQ(snapshot.pods_size(), 2);
  EXPECT_EQ(snapshot.pods(0).namespace_(), "default");
  EXPECT_EQ(snapshot.pods(0).state(), v1::POD_STATE_SUSPECT);
  EXPECT_EQ(snapshot.pods(0).lease().nanos(), 500'000'000);
  EXPECT_EQ(snapshot.pods(0).session(), 9u);
  EXPECT_TRUE(snapshot.pods(1).has_ended_at());
  EXPECT_EQ(snapshot.cursor(), "v1.40.default.4");
  EXPECT_EQ(ToJson(SnapshotPart{}), "{}");
}

TEST(Json, APositionIsThatOfTheContract) {
  const auto position = ExpectProtobufPrintsTheSame<v1::Position>(
      ToJson(PositionNotice{.cursor = {{{4}, {64}}, "default"},
                            .oldest = {2},
                            .head = {6},
                            .read_age = std::chrono::nanoseconds(3'000'000'001)}));
  EXPECT_EQ(position.head(), 6u);
  EXPECT_EQ(position.oldest(), 2u);
  EXPECT_EQ(position.read_age().seconds(), 3);
  EXPECT_EQ(position.read_age().nanos(), 1);
}

TEST(Json, AnEndIsThatOfTheContractWithAHint) {
  for (const EndReason reason : {EndReason::kExpired, EndReason::kLagged, EndReason::kDraining}) {
    auto json = nlohmann::json::parse(ToJson(EndNotice{
        .reason = reason, .cursor = Cursor{{{4}, {64}}, "default"}, .oldest = {2}, .head = {6}}));
    EXPECT_FALSE(json["hint"].get<std::string>().empty());
    json.erase("hint");
    const auto end = ExpectProtobufPrintsTheSame<v1::End>(json.dump());
    EXPECT_EQ(static_cast<int>(end.reason()), static_cast<int>(reason) + 1);
  }
}

}  // namespace
}  // namespace vigil
