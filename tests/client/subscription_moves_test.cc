// Where a subscription goes when its stream is lost or of no use, and how soon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>

#include "client/subscription_fixture.h"
#include "reconnect_pace.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// One event and then this end, every time.
auto EndsWith(v1::EndReason reason) {
  return [reason](const v1::SubscribeRequest& request, Writer& writer, grpc::ServerContext&) {
    writer.Write(
        EventsMessage({request.has_after_cursor() ? std::stoull(request.after_cursor()) + 1 : 1}));
    writer.Write(EndMessage(reason));
    return grpc::Status::OK;
  };
}

TEST_F(SubscriptionTest, Lagged_GoesOnAtTheSameCoordinator) {
  a_.Change([](auto& script) { script.subscribe = EndsWith(v1::END_REASON_LAGGED); });
  Follow({.start = FromOldest{}});
  EXPECT_TRUE(AwaitSeq(3));
  EXPECT_EQ(b_.Count("subscribe"), 0);
  EXPECT_THAT(interruptions_.Await(kAny)->message, HasSubstr("LAGGED"));
}

TEST_F(SubscriptionTest, Lagged_AgainAndAgainIsSlowedDown) {
  a_.Change([](auto& script) { script.subscribe = EndsWith(v1::END_REASON_LAGGED); });
  const Time start = BootClock::now();
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(6));
  // At least half of 100, 200, 400, 800 and 1,600 ms.
  EXPECT_GE(BootClock::now() - start, milliseconds(1550));
}

TEST_F(SubscriptionTest, Draining_GoesElsewhere) {
  a_.Change([](auto& script) { script.subscribe = EndsWith(v1::END_REASON_DRAINING); });
  Append(3);
  Follow({.start = FromOldest{}});
  EXPECT_TRUE(AwaitSeq(3));
  EXPECT_EQ(b_.subscribe_requests()[0].after_cursor(), "1");
  EXPECT_EQ(a_.Count("subscribe"), 1);
}

// One address may stand for several coordinators, and only a new connection finds another one.
TEST_F(SubscriptionTest, Draining_WithOneAddressTakesANewConnection) {
  Journal<std::string> peers;
  a_.Change([&](auto& script) {
    script.subscribe = [&](const auto&, Writer& writer, grpc::ServerContext& context) {
      peers.Add(context.peer());
      writer.Write(EventsMessage({1}));
      writer.Write(EndMessage(v1::END_REASON_DRAINING));
      return grpc::Status::OK;
    };
  });
  Follow({&a_}, {.start = FromOldest{}});
  const auto first = peers.Await(kAny);
  const auto second = peers.Await(kAny);
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  subscription_.reset();
}

TEST_F(SubscriptionTest, Interrupted_SaysHowTheCoordinatorEndedIt) {
  a_.Change([](auto& script) {
    script.subscribe = [](const v1::SubscribeRequest& request, Writer& writer,
                          grpc::ServerContext&) {
      const std::string after = request.after_cursor();
      auto end = EndMessage(after.empty() ? v1::END_REASON_DRAINING : v1::END_REASON_LAGGED);
      end.mutable_end()->set_cursor("7");
      if (after != "8") {
        writer.Write(PositionMessage(7, {}));
        writer.Write(end);
      }
      return grpc::Status::OK;
    };
  });
  using Metadata = std::map<std::string, std::string>;
  Follow({&a_}, {.start = FromOldest{}});
  EXPECT_EQ(interruptions_.Await(kAny)->metadata, (Metadata{{"end", "DRAINING"}, {"cursor", "7"}}));
  EXPECT_EQ(interruptions_.Await(kAny)->metadata, (Metadata{{"end", "LAGGED"}, {"cursor", "7"}}));
  Follow({&a_}, {.start = Cursor("8"), .retry_first = true});
  EXPECT_TRUE(interruptions_.Await([](const Error& why) {
    return why.metadata == Metadata{{"end", ""}};
  }));
  subscription_.reset();
}

TEST_F(SubscriptionTest, Interrupted_SaysHowItWentOn) {
  Append(2);
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(2));
  a_.Kill();
  const auto resumption = resumptions_.Await(kAny);
  ASSERT_TRUE(resumption);
  EXPECT_EQ(resumption->address, b_.address());
  EXPECT_EQ(resumption->after, Cursor("2"));
  EXPECT_GE(resumption->attempts, 1U);
  EXPECT_LT(resumption->interrupted, minutes(1));
  EXPECT_GE(interruptions_.all().size(), 1U);
}

TEST_F(SubscriptionTest, LaterFailure_IsRetriedWhateverTheFirstOneWouldHaveBeen) {
  Append(1);
  std::atomic<int> refusals = 4;
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(1));
  a_.Change([&](auto& script) {
    script.subscribe = [&](const auto&, Writer& writer, grpc::ServerContext&) {
      if (refusals-- > 0) {
        return Refusal(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_DATABASE_UNAVAILABLE, "no");
      }
      writer.Write(EventsMessage({2}));
      return grpc::Status::OK;
    };
  });
  a_.BreakStreams();
  EXPECT_TRUE(AwaitSeq(2));
  EXPECT_EQ(resumptions_.Await(kAny)->attempts, 5U);
  EXPECT_TRUE(ends_.all().empty());
}

TEST_F(SubscriptionTest, LaterFailure_ThatIsPermanentIsReported) {
  Append(1);
  Follow({&a_}, {.start = FromOldest{}});
  ASSERT_TRUE(AwaitSeq(1));
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, Writer&, grpc::ServerContext&) {
      return Refusal(grpc::StatusCode::INVALID_ARGUMENT, v1::ERROR_REASON_INVALID_CURSOR, "no");
    };
  });
  a_.BreakStreams();
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->reason, Reason::kInvalidCursor);
}

// A farewell is no success: nothing has been delivered yet.
TEST_F(SubscriptionTest, FirstFailure_AlsoWhenAllAreDraining) {
  for (ScriptedCoordinator* coordinator : {&a_, &b_}) {
    coordinator->Change([](auto& script) {
      script.subscribe = [](const auto&, Writer& writer, grpc::ServerContext&) {
        writer.Write(EndMessage(v1::END_REASON_DRAINING));
        return grpc::Status::OK;
      };
    });
  }
  Follow({.start = FromOldest{}});
  const auto end = ends_.Await(kAny);
  ASSERT_TRUE(end);
  EXPECT_THAT(end->message, HasSubstr("DRAINING"));
}

TEST_F(SubscriptionTest, LogNotRead_MovesToACoordinatorThatReadsIt) {
  Append(2);
  a_.Change([](auto& script) { script.read_age = minutes(1); });
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(cluster_.Await([&] { return b_.Count("subscribe") == 1; }));
  EXPECT_EQ(b_.subscribe_requests()[0].after_cursor(), "2");
  EXPECT_THAT(interruptions_.Await(kAny)->message, HasSubstr("has not read the log"));
  EXPECT_EQ(resumptions_.Await(kAny)->address, b_.address());
  Append(1);
  EXPECT_TRUE(AwaitSeq(3));
  EXPECT_EQ(Seqs(), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(SubscriptionTest, LogNotRead_ByNobodyMovesNobody) {
  for (ScriptedCoordinator* coordinator : {&a_, &b_}) {
    coordinator->Change([](auto& script) { script.read_age = minutes(1); });
    coordinator->ReadTheLog(false);
  }
  Follow({.start = FromOldest{}});
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(positions_.Await(kAny));
  EXPECT_EQ(a_.Count("subscribe"), 1);
  EXPECT_EQ(b_.Count("subscribe"), 0);
  EXPECT_TRUE(interruptions_.all().empty());
}

TEST_F(SubscriptionTest, LogNotRead_DoesNotGoToAndFro) {
  for (ScriptedCoordinator* coordinator : {&a_, &b_}) {
    coordinator->Change([](auto& script) { script.read_age = minutes(1); });
  }
  Follow({.start = FromOldest{}});
  ASSERT_TRUE(resumptions_.Await(kAny));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(positions_.Await(kAny));
  EXPECT_EQ(a_.Count("subscribe"), 1);
  EXPECT_EQ(b_.Count("subscribe"), 1);
}

TEST_F(SubscriptionTest, LogNotRead_WithinTheToleranceIsNoReasonToMove) {
  a_.Change([](auto& script) { script.read_age = seconds(9); });
  Follow({.start = FromOldest{}});
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(positions_.Await(kAny));
  EXPECT_EQ(positions_.all()[0].read_age, seconds(9));
  EXPECT_EQ(b_.Count("subscribe"), 0);
}

}  // namespace
}  // namespace vigil::client
