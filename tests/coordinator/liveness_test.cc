// The liveness sessions over a database whose lock table is full, in simulated time.
#include "coordinator/liveness.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "support/simulated_time.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Answers one operation each millisecond, in their order. While the lock table is full, no lock is
// taken; the session lives on.
class CrowdedDatabase final : public Database {
 public:
  explicit CrowdedDatabase(Scheduler& scheduler) : scheduler_(scheduler) {}

  std::unique_ptr<Store> OpenStore(Duration) override { return nullptr; }
  std::unique_ptr<LogListener> Listen(WakeUp) override { return nullptr; }
  void OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) override {
    scheduler_.Post([this, then = std::move(then)] {
      ++opened;
      auto session = std::make_unique<Session>(*this);
      last_ = session.get();
      then(std::move(session));
    });
  }

  void LoseSession() {
    std::exchange(last_->on_lost, nullptr)(DatabaseUnavailable("the session has ended"));
  }

  int opened = 0;
  bool full = false;
  // Called once, when locks are asked for.
  std::function<void()> when_asked;

 private:
  class Session final : public LivenessSession {
   public:
    explicit Session(CrowdedDatabase& database) : database_(database) {}

    Backend backend() const override { return Backend{1}; }
    void IssueLock(LockKind, Then<uint64_t> then) override {
      Answer([this, then = std::move(then)] { then(++database_.issued_); });
    }
    void TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) override {
      Answer([this, keys = std::move(keys), then = std::move(then)] {
        if (database_.full) return then(Fail(LimitReached("locks", "the lock table is full")));
        then(keys);
      });
      if (database_.when_asked) std::exchange(database_.when_asked, nullptr)();
    }
    void ReleaseLocks(std::vector<LockKey>, Then<void> then) override {
      Answer([then = std::move(then)] { then({}); });
    }
    void Ping(Then<void> then) override {
      Answer([then = std::move(then)] { then({}); });
    }
    void OnLost(std::function<void(Error)> callback) override { on_lost = std::move(callback); }

    std::function<void(Error)> on_lost;

   private:
    void Answer(std::function<void()> answer) {
      waiting_.push_back(std::move(answer));
      if (waiting_.size() == 1) AnswerNext();
    }
    void AnswerNext() {
      timer_ = database_.scheduler_.After(milliseconds(1), [this] {
        const auto answer = std::move(waiting_.front());
        waiting_.pop_front();
        if (!waiting_.empty()) AnswerNext();
        answer();
      });
    }

    CrowdedDatabase& database_;
    std::deque<std::function<void()>> waiting_;
    std::unique_ptr<Timer> timer_;
  };

  Scheduler& scheduler_;
  Session* last_ = nullptr;
  uint64_t issued_ = 0;
};

class Liveness : public testing::Test {
 protected:
  // With one session that held one lock, and lost it to a full lock table.
  void SetUp() override {
    sessions_.Start();
    scheduler_.Advance(seconds(1));
    sessions_.Issue([](const Result<SessionNumber>& issued) { EXPECT_TRUE(issued); });
    scheduler_.Advance(seconds(1));
    database_.full = true;
    database_.LoseSession();
  }

  SimulatedClock clock_;
  SimulatedScheduler scheduler_{clock_};
  CrowdedDatabase database_{scheduler_};
  LivenessSessions sessions_{database_, scheduler_, clock_, Timing{}, 1, 1};
};

// P11: whoever waits for a number behind the taking that failed is told.
TEST_F(Liveness, LockTableFull_WhoWaitsForANumberIsTold) {
  int answers = 0;
  database_.when_asked = [&] {
    sessions_.Issue([&](const Result<SessionNumber>& issued) {
      ++answers;
      ASSERT_FALSE(issued);
      EXPECT_TRUE(issued.error().Is(reason::kDatabaseUnavailable));
    });
  };
  scheduler_.Advance(seconds(1));
  EXPECT_EQ(answers, 1);
}

// P11: a session in which nothing can be taken again is no success.
TEST_F(Liveness, LockTableFull_SessionsAreOpenedEverMoreSeldom) {
  scheduler_.Advance(seconds(10));
  EXPECT_LT(database_.opened, 30);
  const int opened = database_.opened;
  database_.full = false;
  scheduler_.Advance(seconds(10));
  EXPECT_EQ(database_.opened, opened + 1);
  EXPECT_TRUE(sessions_.Unconfirmed(SessionNumber{1}));
}

}  // namespace
}  // namespace vigil
