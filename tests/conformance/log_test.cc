// The event log as it is read, and the wake-ups that say that there is more to read.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::IsEmpty;

TEST_P(StoreTest, Log_OfAnUnknownNamespaceIsEmpty) {
  auto bounds = Must(store().ReadBounds({"nowhere"}));
  ASSERT_EQ(bounds.size(), 1U);
  EXPECT_EQ(bounds[0].start, Position{});
  EXPECT_EQ(bounds[0].head, Position{});
  EventPage page = Must(store().ReadEvents("nowhere", {}, 10));
  EXPECT_THAT(page.events, IsEmpty());
  EXPECT_EQ(page.head, Seq{0});
  EXPECT_FALSE(page.expired);
}

TEST_P(StoreTest, Log_EachNamespaceCountsByItself) {  // P4
  Host host = AddHost();
  for (int i = 0; i < 3; ++i) {
    Register(host, "cart-" + std::to_string(i));
    Kill(Register(host, "cart-" + std::to_string(i), "other"));
  }

  auto bounds = Must(store().ReadBounds({"other", "nowhere", kNs}));

  ASSERT_EQ(bounds.size(), 3U);
  EXPECT_EQ(bounds[0].head, EventsAfter({}, "other").back().position());
  EXPECT_EQ(bounds[1].head, Position{});
  EXPECT_EQ(bounds[2].head, EventsAfter({}).back().position());
  for (const auto& [ns, count] : {std::pair{kNs, 3U}, std::pair{"other", 6U}}) {
    auto events = EventsAfter({}, ns);
    ASSERT_EQ(events.size(), count);
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].seq, Seq{i + 1});
  }
}

TEST_P(StoreTest, Log_PagesEndAtTransactionEnds) {  // P4
  Host host = AddHost();
  std::vector<HostedPod> pods;
  for (int i = 0; i < 10; ++i) pods.push_back(HostedAs(Register(host, "c" + std::to_string(i))));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {pods.begin(), pods.begin() + 4}));
  Must(store().DeclareHosted(kNs, Cause::kStreamEnded, pods));
  Register(host, "last");
  const Seq head{10 + 4 + 10 + 1};

  for (uint32_t limit : {1U, 2U, 3U, 9U, 11U, 12U, 13U, 14U, 24U, 100U}) {
    SCOPED_TRACE(limit);
    Position after;
    while (after.seq < head) {
      EventPage page = Must(store().ReadEvents(kNs, after, limit));
      ASSERT_FALSE(page.events.empty());
      EXPECT_EQ(page.events.front().seq.value, after.seq.value + 1);
      EXPECT_EQ(page.events.back().seq, page.events.back().transaction_end);
      EXPECT_LE(page.events.size(), limit + 10U) << "about the limit: the longest transaction more";
      EXPECT_FALSE(page.expired);
      EXPECT_EQ(page.head, head);
      after = page.events.back().position();
    }
    EXPECT_EQ(after.seq, head);
  }
}

TEST_P(StoreTest, Log_AfterTheHeadIsNothing) {
  Host host = AddHost();
  Register(host, "cart");
  EventPage page = Must(store().ReadEvents(kNs, EventsAfter({}).back().position(), 10));
  EXPECT_THAT(page.events, IsEmpty());
  EXPECT_FALSE(page.expired);
  EXPECT_EQ(page.head, Seq{1});
}

// P8: whatever the log has come to since.
TEST_P(StoreTest, Log_APositionThatWasLostHasExpired) {
  const std::string ns = "lost";  // whose log does not tell what became of its pods
  Host host = AddHost();
  for (int i = 0; i < 5; ++i) Register(host, Numbered("c", i), ns);
  const auto before = EventsAfter({}, ns);
  world().LoseEvents(ns, Seq{3});
  for (int i = 5; i < 10; ++i) {
    SCOPED_TRACE(i);
    EXPECT_TRUE(Must(store().ReadEvents(ns, before[3].position(), 10)).expired);
    EXPECT_TRUE(Must(store().ReadEvents(ns, before[4].position(), 10)).expired);
    for (const Position kept : {Position{}, before[1].position(), before[2].position()}) {
      const EventPage page = Must(store().ReadEvents(ns, kept, 10));
      EXPECT_FALSE(page.expired);
      EXPECT_EQ(page.events.size(), page.head.value - kept.seq.value);
    }
    Register(host, Numbered("c", i), ns);
  }
}

TEST_P(StoreTest, Log_APositionBeyondAllNumbersHasExpired) {
  Host host = AddHost();
  Register(host, "cart");
  for (const uint64_t seq :
       {uint64_t{2}, uint64_t{INT64_MAX}, uint64_t{INT64_MAX} + 1, UINT64_MAX}) {
    EXPECT_TRUE(Must(store().ReadEvents(kNs, {{seq}, {1}}, 10)).expired);
    EXPECT_TRUE(Must(store().ReadEvents("nowhere", {{seq}, {UINT64_MAX}}, 10)).expired);
  }
}

// Two that write at once: what is told to be right before the events is, or is not told.
TEST_P(StoreTest, Log_WhatIsToldToBeBeforeIs) {
  Host host = AddHost();
  std::vector<Pod> pods;
  for (int i = 0; i < 64; ++i) pods.push_back(Register(host, Numbered("c", i)));
  std::vector<WrittenEvents> written(pods.size());
  Together(8, [&](int thread, Store& store) {
    for (size_t i = static_cast<size_t>(thread); i < pods.size(); i += 8) {
      written[i] = Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(pods[i])}));
    }
  });
  const auto log = EventsAfter({});
  for (const WrittenEvents& own : written) {
    ASSERT_EQ(own.events.size(), 1U);
    const Event& before = log[own.before.seq.value - 1];
    EXPECT_EQ(own.events[0].seq.value, own.before.seq.value + 1);
    EXPECT_TRUE(!own.before.mark || own.before == before.position());
  }
}

TEST_P(StoreTest, Log_ARefusalLeavesNoEvent) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Kill(pod);
  Seq head = Head();
  Must(store().DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  EXPECT_FALSE(ResumeOne(store(), Returning(host, pod)));
  EXPECT_FALSE(store().Leave(kNs, HostedAs(pod)));
  EXPECT_FALSE(store().StartWork(NewItem("a", pod.incarnation)));

  EXPECT_EQ(Head(), head);

  Register(host, "till");
  EXPECT_EQ(Head(), Seq{head.value + 1}) << "and no gap";
}

TEST_P(StoreTest, Listener_WakesAfterCommit) {
  Host host = AddHost();
  int heard = 0;
  Seq seen;
  Seq told;
  auto listener = world().database().Listen([&](const std::optional<LogHead>& head) {
    ++heard;
    seen = Head();
    if (head && head->ns == kNs) {
      EXPECT_LE(head->head, seen);
      told = head->head;
    }
  });
  // A listener that is not connected yet calls when it is.
  NewPod wish = Newcomer(host, "cart");
  ASSERT_TRUE(world().TurnUntil([&] {
    if (!Head()) RegisterAs(wish);
    return heard > 0 && seen == Seq{1};
  }));

  for (int i = 0; i < 5; ++i) {
    Seq before = seen;
    Register(host, "cart-" + std::to_string(i));
    EXPECT_TRUE(world().TurnUntil([&] { return seen > before && told == seen; }))
        << "the commit is seen, and its head is told";
  }
}

TEST_P(StoreTest, Listener_EachOfSeveralWakes) {
  Host host = AddHost();
  bool first = false;
  bool second = false;
  auto one = world().database().Listen([&](const auto&) { first = true; });
  auto two = world().database().Listen([&](const auto&) { second = true; });
  Pod pod = Register(host, "cart");
  EXPECT_TRUE(world().TurnUntil([&] { return first && second; }));
}

TEST_P(StoreTest, Listener_GoneHearsNothing) {
  Host host = AddHost();
  bool other_heard = false;
  auto other = world().database().Listen([&](const auto&) { other_heard = true; });
  bool gone = false;
  bool heard_after = false;
  auto listener =
      world().database().Listen([&](const auto&) { heard_after = heard_after || gone; });
  Register(host, "cart");
  listener.reset();
  gone = true;
  Register(host, "till");
  EXPECT_TRUE(world().TurnUntil([&] { return other_heard; }));
  world().Turn();
  EXPECT_FALSE(heard_after);
}

TEST_P(StoreTest, Listener_HearsAgainAfterARestart) {
  int heard = 0;
  auto listener = world().database().Listen([&](const auto&) { ++heard; });
  Host before = AddHost();
  Register(before, "cart");
  ASSERT_TRUE(world().TurnUntil([&] { return heard > 0; }));

  heard = 0;
  world().Restart();

  EXPECT_TRUE(world().TurnUntil([&] { return heard > 0; }))
      << "wake-ups may have been lost, so it calls when it is back";
  ASSERT_TRUE(world().TurnUntil([&] { return store().ReadBounds({}).has_value(); }));
}

}  // namespace
}  // namespace vigil
