#include "http/event_text.h"

#include <gmock/gmock.h>

#include "core/cursor.h"
#include "core/errors.h"

namespace vigil {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// What a client makes of a text, by the standard's rules.
struct Block {
  std::string event;
  std::optional<std::string> id;
  std::string data;
  bool operator==(const Block&) const = default;
};

std::vector<Block> Parse(const std::string& text) {
  EXPECT_TRUE(text.ends_with("\n\n")) << text;
  std::vector<Block> blocks(1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Block& block = blocks.back();
    if (line.empty()) {
      blocks.emplace_back();
    } else if (line.starts_with("event: ")) {
      block.event = line.substr(7);
    } else if (line.starts_with("id: ")) {
      block.id = line.substr(4);
    } else if (line.starts_with("data: ")) {
      EXPECT_EQ(block.data, "");
      block.data = line.substr(6);
    } else {
      EXPECT_THAT(line, StartsWith(":"));
    }
  }
  blocks.pop_back();
  return blocks;
}

Event EventAt(uint64_t seq, uint64_t transaction_end, EventKind kind = EventKind::kPodDied) {
  return {.seq = {seq},
          .transaction_end = {transaction_end},
          .mark = {seq * 16},
          .kind = kind,
          .pod_name = "a"};
}

std::vector<Block> Deliver(std::vector<Event> events, uint64_t up_to) {
  const Cursor cursor{{{up_to}, {up_to * 16}}, "default"};
  return Parse(*ToEventText(std::make_shared<const Delivery>(std::move(events), cursor)));
}

std::string IdAt(uint64_t seq) { return FormatCursor({{{seq}, {seq * 16}}, "default"}); }

// P8: whoever comes back with an id has whole transactions behind it.
TEST(EventText, Sse_IdsStandAtTransactionEnds) {
  const auto blocks = Deliver({EventAt(1, 1), EventAt(2, 4), EventAt(3, 4), EventAt(4, 4)}, 4);
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[0].id, IdAt(1));
  EXPECT_EQ(blocks[1].id, std::nullopt);
  EXPECT_EQ(blocks[2].id, std::nullopt);
  EXPECT_EQ(blocks[3].id, IdAt(4));
}

// P8: what the filter left out moves the position on, too.
TEST(EventText, Sse_AnIdAloneFollowsWhatWasFilteredOut) {
  const auto end_filtered = Deliver({EventAt(2, 4)}, 4);
  ASSERT_EQ(end_filtered.size(), 2u);
  EXPECT_EQ(end_filtered[0].id, std::nullopt);
  EXPECT_EQ(end_filtered[1], (Block{"", IdAt(4), ""}));
  const auto next_filtered = Deliver({EventAt(4, 4)}, 9);
  ASSERT_EQ(next_filtered.size(), 2u);
  EXPECT_EQ(next_filtered[0].id, IdAt(4));
  EXPECT_EQ(next_filtered[1], (Block{"", IdAt(9), ""}));
  EXPECT_THAT(Deliver({}, 9), ElementsAre(Block{"", IdAt(9), ""}));
}

TEST(EventText, Sse_AnEventIsNamedByItsKindAndHasOneLineOfData) {
  Event event = EventAt(1, 1, EventKind::kPodLeft);
  event.pod_labels = {{"note", "two\nlines"}};
  const auto blocks = Deliver({event, EventAt(2, 2, EventKind::kWorkClaimed)}, 2);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].event, "POD_LEFT");
  EXPECT_THAT(blocks[0].data, HasSubstr("\"kind\":\"EVENT_KIND_POD_LEFT\""));
  EXPECT_THAT(blocks[0].data, HasSubstr("two\\nlines"));
  EXPECT_EQ(blocks[1].event, "WORK_CLAIMED");
}

TEST(EventText, Sse_TheIdOfASnapshotIsThatOfItsLastPart) {
  const auto first = Parse(
      *ToEventText(std::make_shared<const SnapshotPart>(SnapshotPart{.pods = {Pod{.name = "a"}}})));
  const auto last = Parse(*ToEventText(std::make_shared<const SnapshotPart>(
      SnapshotPart{.cursor = Cursor{{{4}, {64}}, "default"}})));
  EXPECT_EQ(first.front().event, "snapshot");
  EXPECT_EQ(first.front().id, std::nullopt);
  EXPECT_EQ(last.front().id, IdAt(4));
}

TEST(EventText, Sse_APositionIsAnEventWithAHeartbeatComment) {
  const std::string text = *ToEventText(PositionNotice{.cursor = {{{4}, {64}}, "default"},
                                                       .oldest = {2},
                                                       .head = {6},
                                                       .read_age = Duration(1500000)});
  EXPECT_THAT(text, StartsWith(": heartbeat\n"));
  const auto blocks = Parse(text);
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].event, "position");
  EXPECT_EQ(blocks[0].id, IdAt(4));
  EXPECT_EQ(blocks[0].data, "{\"cursor\":\"" + IdAt(4) +
                                "\",\"head\":\"6\",\"readAge\":\"0.001500s\",\"oldest\":\"2\"}");
}

// An EventSource goes on from the id of the end; after EXPIRED there is none to go on from.
TEST(EventText, Sse_EveryEndIsExplicitAndSaysFromWhereToResume) {
  const Cursor cursor{{{4}, {64}}, "default"};
  const auto lagged =
      Parse(*ToEventText(EndNotice{.reason = EndReason::kLagged, .cursor = cursor}));
  EXPECT_EQ(lagged.front().event, "lagged");
  EXPECT_EQ(lagged.front().id, IdAt(4));
  EXPECT_THAT(lagged.front().data, HasSubstr("\"cursor\":\"" + IdAt(4) + "\""));
  EXPECT_THAT(lagged.front().data, HasSubstr("\"hint\":"));
  const auto draining =
      Parse(*ToEventText(EndNotice{.reason = EndReason::kDraining, .cursor = std::nullopt}));
  EXPECT_EQ(draining.front().event, "draining");
  EXPECT_EQ(draining.front().id, std::nullopt);
  const auto expired =
      Parse(*ToEventText(EndNotice{.reason = EndReason::kExpired, .oldest = {5}, .head = {9}}));
  EXPECT_EQ(expired.front().event, "expired");
  EXPECT_EQ(expired.front().id, "expired");
  EXPECT_THAT(expired.front().data, HasSubstr("\"oldest\":\"5\",\"head\":\"9\""));
}

TEST(EventText, Sse_AFailureMovesNoId) {
  const auto blocks = Parse(FailureText(DatabaseUnavailable("away")));
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].event, "failed");
  EXPECT_EQ(blocks[0].id, std::nullopt);
  EXPECT_THAT(blocks[0].data, HasSubstr("\"reason\":\"DATABASE_UNAVAILABLE\""));
}

// One text for all who get the same.
TEST(EventText, Sse_ADeliveryIsWrittenOutOnce) {
  const DeliveredEvents delivery =
      std::make_shared<const Delivery>(std::vector{EventAt(1, 1)}, Cursor{{{1}, {16}}, "default"});
  EXPECT_EQ(ToEventText(delivery), ToEventText(delivery));
}

TEST(EventText, Sse_RetryIsInMilliseconds) {
  EXPECT_EQ(OpeningText(std::chrono::milliseconds(1234)), "retry: 1234\n\n");
}

}  // namespace
}  // namespace vigil
