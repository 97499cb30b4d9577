// Subscribers that never read cost what they may, and nobody else pays for them.
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"
#include "support/raw_subscriber.h"
#include "support/relay.h"
#include "vigil/work.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kReaders = 180;
// Of each kind: those who are stuck in the past, and those who were live.
constexpr size_t kNeverReaders = 10;
// What must pass of a connection until a stream is open on it.
constexpr size_t kGreeting = 1024;
// A position is due after 5 s, and the machine is busy.
constexpr Duration kSilence = seconds(10);
// What an allocator may keep, come and go.
constexpr double kTolerance = 8.0 * 1024 * 1024;

// The memory that a process has, in bytes.
double ResidentBytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * 4096;
}

// Each of the threads completes so many items in a second: what the readers can keep up with.
constexpr Duration kPace = milliseconds(20);

// Items that are begun and completed, from several threads, and when each was known to be.
class Workers {
 public:
  Workers(const client::Client& client, client::Incarnation owner, int threads) {
    for (int thread = 0; thread < threads; ++thread) {
      threads_.emplace_back([this, client, owner, thread] { Work(client, owner, thread); });
    }
  }
  ~Workers() { Stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // By the key of the item.
  std::map<std::string, Instant> Completed() const {
    std::lock_guard lock(mutex_);
    return completed_;
  }

 private:
  void Work(const client::Client& client, client::Incarnation owner, int thread) {
    const client::Work work(client, "default");
    Instant next = Now();
    for (int item = 0; GoesOnAt(next); ++item, next += kPace) {
      const std::string key = "item-" + std::to_string(thread) + "-" + std::to_string(item);
      const auto started = work.Start(owner, key);
      if (!started) continue;
      if (!work.Complete(owner, key, started->item.fence, "done")) continue;
      std::lock_guard lock(mutex_);
      completed_[key] = Now();
    }
  }

  // False when they are to stop before that.
  bool GoesOnAt(Instant next) {
    std::unique_lock lock(mutex_);
    return !stopped_.wait_for(lock, next - Now(), [this] { return stopping_; });
  }

  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::map<std::string, Instant> completed_;
  std::vector<std::thread> threads_;
};

class SlowReaders : public Scenario {
 protected:
  void Start() {
    // So small that who does not read has LAGGED soon, again and again.
    ASSERT_NO_FATAL_FAILURE(StartCluster(
        {.coordinators = 1,
         .settings = {"--subscriber-queue-events", "256", "--subscriber-queue-bytes", "262144"}}));
    auto relay = Relay::Start(cluster().port(0));
    ASSERT_TRUE(relay) << relay.error().message;
    relay_ = std::move(*relay);
    relay_->Stall(kGreeting);
    for (size_t i = 0; i < kReaders; ++i) {
      readers_.push_back(
          std::make_unique<RawSubscriber>(cluster().address(0), history::FromOldest{}));
    }
    stuck_.resize(kNeverReaders);
    for (size_t i = 0; i < kNeverReaders; ++i) OpenStuck(i);
    auto connected = cluster().Connect();
    ASSERT_TRUE(connected);
    crowd_ = std::make_unique<Crowd>(*connected, Crowd::Options{.size = 1});
    ASSERT_EQ(crowd_->AwaitRegistered(), "");
    workers_ = std::make_unique<Workers>(*connected, crowd_->pod(0).standing().incarnation, 4);
  }

  void OpenStuck(size_t number) {
    stuck_.at(number).reset();
    stuck_.at(number) = NeverReader(number, history::FromOldest{});
  }

  void OpenLive() {
    for (size_t i = 0; i < kNeverReaders; ++i) {
      live_.push_back(NeverReader(i, history::FromNow{}));
    }
  }

  // Whoever was live and did not read was told that it LAGGED, or cut off: it finds that in the end
  // of what had come, and would else go on without an end.
  void ExpectLiveOnesEnded(history::Reference truth) {
    truth.through = {};
    relay_->Restore();
    size_t lagged = 0;
    for (const auto& reader : live_) {
      reader->ReadOn();
      ASSERT_TRUE(reader->AwaitEnd(kPatience)) << "one that did not read goes on";
      const history::History told = reader->History();
      EXPECT_THAT(history::Validate(told, truth), ::testing::IsEmpty());
      const auto& end = std::get<history::Ended>(told.back().what);
      lagged += end.reason == history::EndReason::kLagged ? 1 : 0;
      EXPECT_TRUE(end.reason == history::EndReason::kLagged || !end.error.empty());
    }
    std::printf("%zu of %zu heard that they LAGGED, the others were cut off\n", lagged,
                live_.size());
  }

  // Measures once a second, while those who are stuck come again and again, as clients do that were
  // cut off. By how much the memory grew over the whole time, as a straight line through all
  // of it has it.
  double GrowthOver(Duration time) {
    std::vector<double> bytes;
    const pid_t server = cluster().coordinator(0).pid();
    for (const Instant end = Now() + time; Now() < end;) {
      OpenStuck(bytes.size() % kNeverReaders);
      bytes.push_back(ResidentBytes(server));
      EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), seconds(1)));
    }
    const double n = static_cast<double>(bytes.size());
    double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const double x = static_cast<double>(i);
      sum_x += x;
      sum_y += bytes[i];
      sum_xx += x * x;
      sum_xy += x * bytes[i];
    }
    return n * (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
  }

  void StopWorkers() { workers_->Stop(); }
  const Workers& workers() const { return *workers_; }
  const std::vector<std::unique_ptr<RawSubscriber>>& readers() const { return readers_; }

 private:
  // One half has streams that nobody reads, the other sockets.
  std::unique_ptr<RawSubscriber> NeverReader(size_t number, const history::Start& start) {
    return std::make_unique<RawSubscriber>(
        number % 2 == 0 ? cluster().address(0) : relay_->address(), start,
        RawSubscriber::Reading::kNever);
  }

  std::unique_ptr<Relay> relay_;
  std::vector<std::unique_ptr<RawSubscriber>> readers_;
  std::vector<std::unique_ptr<RawSubscriber>> stuck_;
  std::vector<std::unique_ptr<RawSubscriber>> live_;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<Workers> workers_;
};

// P8, P11
TEST_F(SlowReaders, NeverReading_CostsABoundedAmountAndTheOthersNothing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  GrowthOver(FullOr(seconds(60), seconds(6)));
  OpenLive();
  const double grown = GrowthOver(FullOr(seconds(120), seconds(10)));
  StopWorkers();
  std::printf("memory grown by %.0f KiB\n", grown / 1024);
  EXPECT_LE(grown, kTolerance);

  history::Reference truth = Truth();
  const auto completed = workers().Completed();
  truth.bounds.silence = kSilence;
  size_t violations = 0;
  std::vector<Duration> delays;
  for (const auto& reader : readers()) {
    ASSERT_TRUE(reader->AwaitSeq(truth.through, kPatience));
    truth.until = Now();
    const history::History told = reader->History();
    violations += history::Validate(told, truth).size();
    for (const history::Record& record : told) {
      const auto* events = std::get_if<history::EventsTold>(&record.what);
      for (size_t i = 0; events && i < events->events.size(); ++i) {
        const auto found = completed.find(events->events[i].work_key);
        if (found != completed.end()) delays.push_back(record.at - found->second);
      }
    }
  }
  ExpectNone("broken guarantees of those who read", violations, static_cast<int>(kReaders));
  ASSERT_NO_FATAL_FAILURE(ExpectLiveOnesEnded(Truth()));
  std::sort(delays.begin(), delays.end());
  ASSERT_FALSE(delays.empty());
  TakeDown("an event is told, p50", delays[delays.size() / 2]);
  TakeDown("an event is told, p99", delays[delays.size() * 99 / 100]);
  ExpectWithin("an event is told, at the latest", delays.back(), seconds(3));
}

}  // namespace
}  // namespace vigil
