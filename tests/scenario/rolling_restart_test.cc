// All coordinators are replaced, one after the other, while everybody works.
#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

// Pods with items, on which threads go on working until they are told to stop: each item gets a
// checkpoint, or is completed and followed by another one.
class Workshop {
 public:
  Workshop(const client::Client& client, Crowd& crowd) : work_(client, "default") {
    for (int pod = 0; pod < crowd.size(); ++pod) {
      benches_.push_back(
          {.owner = crowd.pod(pod).standing().incarnation, .prefix = crowd.name(pod) + "-item-"});
    }
  }

  ~Workshop() { Stop(); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  void Start() {
    for (size_t i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this, i] {
        while (!stopping_) {
          for (size_t bench = i; bench < benches_.size() && !stopping_; bench += kThreads) {
            Turn(benches_[bench]);
          }
        }
      });
    }
  }

  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // REQUIRES: stopped. What is wrong with an item; empty when nothing is.
  std::vector<std::string> Losses() const {
    std::vector<std::string> losses = failures_;
    for (const Bench& bench : benches_) {
      for (int number = 0; number <= bench.completed; ++number) {
        const std::string key = bench.prefix + std::to_string(number);
        const bool open = number == bench.completed;
        if (open && bench.fence == client::Fence()) continue;  // not begun
        const auto item = work_.Get(key);
        const auto state = open ? client::WorkState::kOwned : client::WorkState::kCompleted;
        if (!item || item->state != state || item->owner != bench.owner ||
            item->fence.value() != 1) {
          losses.push_back(key);
        }
      }
    }
    return losses;
  }

  int completed() const {
    int completed = 0;
    for (const Bench& bench : benches_) completed += bench.completed;
    return completed;
  }

 private:
  static constexpr size_t kThreads = 4;

  // One pod's; used by one thread.
  struct Bench {
    client::Incarnation owner;
    std::string prefix;
    int completed = 0;
    // Of the open item; zero when it is not begun.
    client::Fence fence{};
    bool saved = false;
  };

  // One step further.
  void Turn(Bench& bench) {
    const std::string key = bench.prefix + std::to_string(bench.completed);
    if (bench.fence == client::Fence()) {
      const auto started = work_.Start(bench.owner, key);
      if (!started) return Note(key, started.error());
      bench.fence = started->item.fence;
      bench.saved = false;
    } else if (!bench.saved) {
      const auto saved = work_.Checkpoint(bench.owner, key, bench.fence, "half");
      if (!saved) return Note(key, saved.error());
      bench.saved = true;
    } else {
      const auto completed = work_.Complete(bench.owner, key, bench.fence);
      if (!completed) return Note(key, completed.error());
      bench.fence = client::Fence();
      ++bench.completed;
    }
  }

  void Note(const std::string& key, const client::Error& error) {
    std::lock_guard lock(mutex_);
    failures_.push_back(key + ": " + client::Describe(error));
  }

  const client::Work work_;
  std::vector<Bench> benches_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<std::string> failures_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

// P4, P5, P8, P9
TEST_F(Scenario, RollingRestartUnderLoad_NothingIsLost) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const auto all = client::Client::Create({.addresses = cluster().Addresses()});
  ASSERT_TRUE(all);
  std::vector<std::unique_ptr<EventRecorder>> followers;
  for (int place = 0; place < cluster().size(); ++place) {
    const auto first = cluster().Connect(place);
    ASSERT_TRUE(first);
    followers.push_back(std::make_unique<EventRecorder>(*first, "default"));
  }
  Crowd crowd(*all, {.size = FullOr(200, 40)});
  ASSERT_EQ(crowd.AwaitRegistered(), "");
  Workshop workshop(*all, crowd);
  workshop.Start();

  for (int place = 0; place < cluster().size(); ++place) {
    const Instant told = Now();
    cluster().coordinator(place).Signal(SIGTERM);
    EXPECT_EQ(cluster().coordinator(place).AwaitEnd(kPatience), 0);
    TakeDown("a coordinator has drained", Now() - told);
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }
  workshop.Stop();

  EXPECT_THAT(workshop.Losses(), ::testing::IsEmpty());
  EXPECT_GT(workshop.completed(), crowd.size());
  ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
  ExpectNone("LOST", crowd.lost());
  EXPECT_EQ(crowd.changed(), 0U);
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodRegistered)), static_cast<size_t>(crowd.size()));
  ExpectAllHeardToTheEnd(followers);
}

}  // namespace
}  // namespace vigil
