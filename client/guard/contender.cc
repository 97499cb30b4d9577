#include "guard/contender.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "guard/stand_by.h"
#include "vigil/subscription.h"

namespace vigil::client {
namespace {

constexpr auto kAfterTrouble = std::chrono::seconds(1);

Duration HalfToWhole(Duration whole) {
  thread_local std::mt19937 generator{std::random_device{}()};
  return Duration(
      std::uniform_int_distribution<Duration::rep>(whole.count() / 2, whole.count())(generator));
}

}  // namespace

// Two threads find out that the item may be had: the poll's and the subscription's. Neither waits
// for a call of the other's, since a poll that hangs at a dead coordinator must not hold up a
// claim. Should both claim at once, both are told CLAIMED, and the first says so.
class Contender::Contest {
 public:
  Contest(const Client& client, Options options, Handlers handlers)
      : client_(client),
        options_(std::move(options)),
        handlers_(std::move(handlers)),
        work_(client_, options_.ns),
        stand_by_(options_.key, options_.self),
        poller_([this] { Poll(); }) {}

  ~Contest() {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_.notify_all();
    poller_.join();
    subscription_.reset();
  }

 private:
  void Poll() {
    std::unique_lock lock(mutex_);
    while (!over_) {
      lock.unlock();
      const bool well = Evaluate();
      Subscribe();
      lock.lock();
      const Duration pause = well ? HalfToWhole(options_.poll_interval) : Duration(kAfterTrouble);
      wake_.wait_for(lock, pause, [this] { return over_ || poll_now_; });
      poll_now_ = false;
    }
  }

  // Starts the item, and claims it when it is an orphan. False when the coordinators could not be
  // asked.
  bool Evaluate() {
    auto started = work_.Start(options_.self, options_.key, options_.payload);
    if (!started) return Trouble(started.error());
    return Follow(Decide(&StandBy::OnItem, started->item), started->item, false, nullptr, {});
  }

  bool Follow(const Decision& decision, const WorkItem& item, bool claimed, const Event* event,
              Time event_at) {
    if (std::holds_alternative<Own>(decision)) {
      Finish([&] { ReportOwned(item, claimed, event, event_at); });
    } else if (std::holds_alternative<Completed>(decision)) {
      Finish([&] { handlers_.on_completed(item); });
    } else if (const auto* claim = std::get_if<Claim>(&decision)) {
      return Take(*claim, event, event_at);
    } else {
      ReportStandingBy(item);
    }
    return true;
  }

  bool Take(const Claim& claim, const Event* event, Time event_at) {
    auto taken =
        work_.Claim(options_.self, options_.key, claim.expected_owner, claim.expected_fence);
    if (!taken) return Trouble(taken.error());
    const Decision decision = Decide(&StandBy::OnItem, taken->item);
    if (taken->outcome == ClaimOutcome::kReserved) {  // the next poll may find it free
      ReportStandingBy(taken->item);
      return true;
    }
    if (std::holds_alternative<Claim>(decision))
      return PollNow();  // claimable again already: from the start
    previous_owner_ = claim.expected_owner;
    return Follow(decision, taken->item, taken->outcome == ClaimOutcome::kClaimed, event, event_at);
  }

  // After the first look at the item, so that whoever can start it at once needs no subscription.
  void Subscribe() {
    std::lock_guard lock(mutex_);
    if (over_) return;
    if (std::exchange(subscription_ended_, false)) subscription_.reset();
    if (subscription_) return;
    subscription_ = std::make_unique<Subscription>(
        client_, Subscription::Options{.ns = options_.ns, .start = FromNow{}, .retry_first = true},
        Subscription::Callbacks{
            // What happened between the first look and the snapshot is found by a second look.
            .on_snapshot = [this](std::span<const Pod>, const Cursor&) { Evaluate(); },
            .on_events = [this](std::span<const Event> events, const Cursor&) { OnEvents(events); },
            .on_interrupted = [this](const Error& why) { Trouble(why); },
            .on_end = [this](const Error& why) { OnSubscriptionEnd(why); }});
  }

  void OnEvents(std::span<const Event> events) {
    const Time arrived = BootClock::now();
    for (const Event& event : events) {
      const Decision decision = Decide(&StandBy::OnEvent, event);
      if (const auto* claim = std::get_if<Claim>(&decision)) {
        if (!Take(*claim, &event, arrived)) PollNow();
      } else if (std::holds_alternative<Completed>(decision)) {
        Finish([&] { handlers_.on_completed(ItemAfter(event, WorkState::kCompleted)); });
      } else if (IsNewOwner(event)) {
        ReportStandingBy(ItemAfter(event, WorkState::kOwned));
      }
    }
  }

  // The next poll makes a new one: this one may not be destroyed under the lock by its own
  // callback.
  void OnSubscriptionEnd(const Error& why) {
    Trouble(why);
    std::lock_guard lock(mutex_);
    subscription_ended_ = true;
  }

  WorkItem ItemAfter(const Event& event, WorkState state) const {
    return {.ns = options_.ns,
            .key = options_.key,
            .state = state,
            .owner = event.incarnation,
            .owner_name = event.pod_name,
            .fence = event.fence};
  }

  bool IsNewOwner(const Event& event) const {
    return event.kind == EventKind::kWorkClaimed && event.work_key == options_.key &&
           event.incarnation != options_.self;
  }

  template <class Seen>
  Decision Decide(Decision (StandBy::*on)(const Seen&), const Seen& seen) {
    std::lock_guard lock(mutex_);
    return (stand_by_.*on)(seen);
  }

  void ReportOwned(const WorkItem& item, bool claimed, const Event* event, Time event_at) {
    handlers_.on_owned({.item = item,
                        .claimed = claimed,
                        .previous_owner = claimed ? previous_owner_.load() : Incarnation(),
                        .event = event == nullptr ? EventKind::kUnknown : event->kind,
                        .event_at = event_at,
                        .owned_at = BootClock::now()});
  }

  void ReportStandingBy(const WorkItem& item) {
    {
      std::lock_guard lock(mutex_);
      if (over_ || reported_fence_ == item.fence) return;
      reported_fence_ = item.fence;
    }
    handlers_.on_standing_by(item);
  }

  template <class Report>
  void Finish(Report report) {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(over_, true)) return;
      if (subscription_) subscription_->Cancel();
    }
    wake_.notify_all();
    report();
  }

  bool Trouble(const Error& why) {
    {
      std::lock_guard lock(mutex_);
      if (over_) return true;
    }
    handlers_.on_trouble(why);
    return false;
  }

  bool PollNow() {
    {
      std::lock_guard lock(mutex_);
      poll_now_ = true;
    }
    wake_.notify_all();
    return true;
  }

  const Client client_;
  const Options options_;
  const Handlers handlers_;
  const Work work_;
  std::atomic<Incarnation> previous_owner_;

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  bool over_ = false;
  bool poll_now_ = false;
  bool subscription_ended_ = false;
  StandBy stand_by_;
  std::optional<Fence> reported_fence_;
  std::unique_ptr<Subscription>
      subscription_;  // made under mutex_, destroyed when the poller has ended

  std::thread poller_;  // last, since it uses everything above
};

Contender::Contender(const Client& client, Options options, Handlers handlers)
    : contest_(std::make_unique<Contest>(client, std::move(options), std::move(handlers))) {}

Contender::~Contender() = default;

}  // namespace vigil::client
