// What the subscriber of other suites records of a subscription that was interrupted.
#include "support/event_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "client/subscription_fixture.h"
#include "core/cursor.h"
#include "history/validators.h"

namespace vigil {
namespace {

using client::EndMessage;
using client::EventsMessage;
using client::Writer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kPatience = std::chrono::seconds(20);

std::string CursorAt(uint64_t seq) {
  return FormatCursor({Position{Seq{seq}, Mark{1000 + seq}}, "default"});
}

class EventRecorderTest : public ::testing::Test {
 protected:
  // One event, and the end of the stream; then the next event, as one resumes. What was recorded up
  // to where it went on.
  history::History TellAndEnd(const std::optional<v1::SubscribeResponse>& end) {
    client::Cluster cluster;
    client::ScriptedCoordinator coordinator(cluster, 1);
    coordinator.Change([&](auto& script) {
      script.subscribe = [end](const v1::SubscribeRequest& request, Writer& writer,
                               grpc::ServerContext&) {
        const uint64_t seq = request.after_cursor().empty() ? 1 : 2;
        auto told = EventsMessage({seq});
        told.mutable_events()->set_cursor(CursorAt(seq));
        if (request.after_cursor() != CursorAt(2)) writer.Write(told);
        if (end) writer.Write(*end);
        return grpc::Status::OK;
      };
    });
    const auto connected = client::Client::Create({.addresses = {coordinator.address()}});
    EventRecorder recorder(*connected, "default");
    EXPECT_TRUE(recorder.AwaitSeq(client::Seq(2), kPatience));
    history::History told = recorder.History();
    told.resize(4);
    return told;
  }

  static v1::SubscribeResponse End(v1::EndReason reason, const std::string& cursor) {
    auto end = EndMessage(reason);
    end.mutable_end()->set_cursor(cursor);
    return end;
  }
};

TEST_F(EventRecorderTest, End_IsRecordedAsItWasTold) {
  for (const auto reason : {v1::END_REASON_LAGGED, v1::END_REASON_DRAINING}) {
    EXPECT_THAT(history::Explicit(TellAndEnd(End(reason, CursorAt(1))), {}), IsEmpty());
    EXPECT_THAT(history::Explicit(TellAndEnd(End(reason, "")), {}),
                ElementsAre(HasSubstr("tells no position to resume from")));
    EXPECT_THAT(history::Explicit(TellAndEnd(End(reason, CursorAt(2))), {}),
                ElementsAre(HasSubstr("tells the position 2, and the subscriber stands at 1")));
  }
}

TEST_F(EventRecorderTest, End_WithoutAReasonIsFound) {
  EXPECT_THAT(history::Explicit(TellAndEnd(std::nullopt), {}),
              ElementsAre("a subscription ended without a reason"));
}

TEST_F(EventRecorderTest, Resumed_AfterWhatWasAppliedLast) {
  const history::History told = TellAndEnd(End(v1::END_REASON_LAGGED, CursorAt(1)));
  const auto& opened = std::get<history::Opened>(told.back().what);
  EXPECT_EQ(std::get<Position>(opened.start), (Position{Seq{1}, Mark{1001}}));
}

}  // namespace
}  // namespace vigil
