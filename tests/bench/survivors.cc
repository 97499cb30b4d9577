#include "survivors.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "measuring.h"
#include "support/process.h"
#include "vigil/event.h"
#include "vigil/pod_session.h"
#include "vigil/subscription.h"

namespace vigil::bench {
namespace {

// A batch is twice as large as the one before, so that nobody swallows everything that a small
// death has left, and a large one is over soon.
constexpr uint32_t kFirstBatch = 10;
constexpr uint32_t kLargestBatch = 100;
constexpr Duration kRecoveryLimit = std::chrono::seconds(60);

Error FromClient(const client::Error& error) { return Unmeasurable(client::Describe(error)); }

}  // namespace

class Survivors::Survivor {
 public:
  Survivor(Survivors& survivors, client::Client client, const std::string& ns, int number)
      : survivors_(survivors),
        client_(std::move(client)),
        work_(client_, ns),
        ns_(ns),
        session_(client_, {.ns = ns, .name = fmt::format("survivor-{}", number)}) {}

  ~Survivor() { static_cast<void>(session_.Leave()); }
  Survivor(const Survivor&) = delete;
  Survivor& operator=(const Survivor&) = delete;

  Result<void> Join() {
    const auto registration = session_.AwaitRegistration();
    if (!registration) return Fail(FromClient(registration.error()));
    me_ = registration->pod.incarnation;
    subscription_ = std::make_unique<client::Subscription>(
        client_,
        client::Subscription::Options{.ns = ns_,
                                      .filter = {.kinds = {client::EventKind::kPodDied}}},
        client::Subscription::Callbacks{
            .on_snapshot = [this](auto, const auto&) { Follow(); },
            .on_events = [this](auto, const auto&) { TakeOver(); },
            .on_end = [this](const client::Error& why) { survivors_.Fall(client::Describe(why)); },
        });
    std::unique_lock lock(survivors_.mutex_);
    survivors_.changed_.wait_for(lock, kStartLimit,
                                 [this] { return following_ || !survivors_.trouble_.empty(); });
    if (following_) return {};
    return Fail(Unmeasurable("a survivor's subscription does not begin: " + survivors_.trouble_));
  }

  void Unfollow() { subscription_.reset(); }

 private:
  void Follow() {
    {
      std::lock_guard lock(survivors_.mutex_);
      following_ = true;
    }
    survivors_.changed_.notify_all();
  }

  void TakeOver() {
    for (uint32_t batch = kFirstBatch;; batch = std::min(2 * batch, kLargestBatch)) {
      const auto claimed = work_.ClaimOrphans(me_, batch);
      if (!claimed) return survivors_.Fall(client::Describe(claimed.error()));
      if (claimed->empty()) return;
      survivors_.Take(*claimed);
    }
  }

  Survivors& survivors_;
  const client::Client client_;
  const client::Work work_;
  const std::string ns_;
  client::PodSession session_;
  client::Incarnation me_;
  bool following_ = false;  // guarded by the mutex of the survivors
  std::unique_ptr<client::Subscription> subscription_;
};

Survivors::Survivors() = default;

// Whoever leaves would leave work to those who still follow.
Survivors::~Survivors() {
  for (const auto& survivor : survivors_) survivor->Unfollow();
}

Result<std::unique_ptr<Survivors>> Survivors::Join(const VigilCluster& cluster,
                                                   const std::string& ns, int count) {
  std::unique_ptr<Survivors> survivors(new Survivors());
  for (int number = 0; number < count; ++number) {
    auto client = cluster.Connect();
    if (!client) return Fail(client.error());
    auto survivor = std::make_unique<Survivor>(*survivors, std::move(*client), ns, number);
    if (auto joined = survivor->Join(); !joined) return Fail(joined.error());
    survivors->survivors_.push_back(std::move(survivor));
  }
  return survivors;
}

void Survivors::Take(const std::vector<client::WorkItem>& items) {
  const Instant now = Now();
  {
    std::lock_guard lock(mutex_);
    for (const auto& item : items) {
      if (!keys_.insert(item.key).second) trouble_ = item.key + " was claimed twice";
    }
    last_ = now;
  }
  changed_.notify_all();
}

void Survivors::Fall(std::string trouble) {
  {
    std::lock_guard lock(mutex_);
    trouble_ = std::move(trouble);
  }
  changed_.notify_all();
}

Result<Instant> Survivors::AwaitRecovered(size_t items) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kRecoveryLimit,
                    [&] { return keys_.size() >= items || !trouble_.empty(); });
  if (!trouble_.empty()) return Fail(Unmeasurable(trouble_));
  if (keys_.size() == items) return last_;
  return Fail(Unmeasurable(fmt::format("{} of {} items were recovered", keys_.size(), items)));
}

}  // namespace vigil::bench
