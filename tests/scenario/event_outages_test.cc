// What becomes of subscribers when Postgres restarts, is away, is restored from a backup, or never
// wakes anybody.
#include <chrono>

#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "support/raw_subscriber.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;
using Shutdown = pg::PrivateCluster::Shutdown;

class EventOutages : public Scenario {
 protected:
  void Start(pg::PrivateCluster& postgres, VigilCluster::Options options = {}) {
    options.coordinators = 2;
    options.settings.insert(
        options.settings.end(),
        {"--position-interval", std::to_string(PositionInterval() / milliseconds(1)) + "ms"});
    ASSERT_NO_FATAL_FAILURE(StartClusterOn(postgres, std::move(options)));
    for (int place = 0; place < cluster().size(); ++place) {
      subscribers_.push_back(
          std::make_unique<RawSubscriber>(cluster().address(place), history::FromOldest{}));
    }
  }

  // Pods that live and die at once.
  void Happen(int pods) { ASSERT_EQ(LiveAndDie(cluster(), ++rounds_, pods), ""); }

  // Everybody has died, and the same streams as in the beginning have been told of it.
  void ExpectAllTold(Duration longest_silence) {
    ASSERT_TRUE(Database().AwaitSettled(0, cluster().size(), seconds(60)));
    history::Reference truth = Truth();
    truth.bounds.silence = longest_silence;
    for (const auto& subscriber : subscribers_) {
      EXPECT_TRUE(subscriber->AwaitSeq(truth.through, kPatience));
      EXPECT_THAT(history::Validate(subscriber->History(), truth), IsEmpty());
      EXPECT_FALSE(subscriber->AwaitEnd(Duration::zero()));
    }
  }

  static Duration PositionInterval() { return FullOr<Duration>(seconds(5), milliseconds(500)); }
  RawSubscriber& subscriber(int place) { return *subscribers_.at(static_cast<size_t>(place)); }

 private:
  int rounds_ = 0;
  std::vector<std::unique_ptr<RawSubscriber>> subscribers_;
};

// The positions told between these two, by the age of what they know.
std::vector<Duration> ReadAges(const history::History& told, Instant from, Instant until) {
  std::vector<Duration> ages;
  for (const history::Record& record : told) {
    const auto* position = std::get_if<history::PositionTold>(&record.what);
    if (position && record.at > from && record.at < until) ages.push_back(position->read_age);
  }
  return ages;
}

// P8: subscribers stay where they are.
TEST_F(EventOutages, PostgresRestarted_SubscribersStayAndMissNothing) {
  ASSERT_NO_FATAL_FAILURE(Start(Postgres()));
  for (int round = 0; round < FullOr(10, 2); ++round) {
    ASSERT_NO_FATAL_FAILURE(Happen(5));
    ASSERT_TRUE(Postgres().Restart(round % 2 == 0 ? Shutdown::kFast : Shutdown::kImmediate));
    ASSERT_NO_FATAL_FAILURE(Happen(5));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold(PositionInterval() + seconds(5)));
}

// P8: silence is no sign of peace, and is told from it.
TEST_F(EventOutages, PostgresAway_PositionsSayThatTheLogIsNotReadAndNothingIsMissing) {
  ASSERT_NO_FATAL_FAILURE(Start(Postgres()));
  ASSERT_NO_FATAL_FAILURE(Happen(10));
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold(Duration::zero()));

  const Duration outage = FullOr<Duration>(seconds(60), seconds(5));
  const Instant stopped = Now();
  ASSERT_TRUE(Postgres().Stop(Shutdown::kFast));
  EXPECT_FALSE(subscriber(0).AwaitEnd(stopped + outage - Now()));
  EXPECT_FALSE(subscriber(1).AwaitEnd(Duration::zero()));
  const Instant returned = Now();
  ASSERT_TRUE(Postgres().StartAgain());

  for (int place = 0; place < cluster().size(); ++place) {
    const auto ages = ReadAges(subscriber(place).History(), stopped, returned);
    ASSERT_GE(ages.size(), static_cast<size_t>(outage / PositionInterval()) - 2);
    EXPECT_TRUE(std::is_sorted(ages.begin(), ages.end()));
    EXPECT_GE(ages.back(), outage - 2 * PositionInterval() - seconds(1));
  }
  ASSERT_NO_FATAL_FAILURE(Happen(10));
  const Instant happened = Now();
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold(PositionInterval() + seconds(5)));
  TakeDown("all is told after the return", Now() - happened);
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const auto ages = ReadAges(subscriber(0).History(), happened, Now());
    return !ages.empty() && ages.back() < PositionInterval();
  }));
}

// P8: without any NOTIFY the poll is all there is.
TEST_F(EventOutages, NotifyLostEntirely_ThePollFindsEverything) {
  VigilCluster::Options options;
  options.conninfo = [](const std::string& database, int) {
    return Postgres().Conninfo(database) + " options='-c search_path=deaf,pg_catalog,public'";
  };
  ASSERT_NO_FATAL_FAILURE(Start(Postgres(), options));
  ASSERT_TRUE(
      Database().Execute("CREATE SCHEMA deaf; "
                         "CREATE FUNCTION deaf.pg_notify(text, text) RETURNS void"
                         " LANGUAGE sql AS 'SELECT'"));
  Duration longest{};
  for (int round = 0; round < FullOr(30, 8); ++round) {
    ASSERT_NO_FATAL_FAILURE(Happen(1));
    const Instant happened = Now();
    ASSERT_TRUE(subscriber(1).AwaitSeq(Truth().through, kPatience));
    longest = std::max(longest, Now() - happened);
    ExpectWithin("an event is told", Now() - happened, seconds(2));
  }
  EXPECT_GE(longest, milliseconds(100)) << "somebody was woken";
  ASSERT_NO_FATAL_FAILURE(ExpectAllTold(Duration::zero()));
}

}  // namespace
}  // namespace vigil
