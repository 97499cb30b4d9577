// A runner's rules under a simulated clock, and words for what their tests do to them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runner_rules.h"

namespace vigil::client {

inline constexpr Incarnation kSelf(7);
inline constexpr Incarnation kOther(3);

inline WorkItem ItemOf(Incarnation owner, std::string key, std::uint64_t fence) {
  return {.key = std::move(key),
          .state = WorkState::kOwned,
          .owner = owner,
          .owner_name = "other",
          .fence = Fence(fence)};
}
inline WorkItem Mine(std::string key, std::uint64_t fence = 1) {
  return ItemOf(kSelf, std::move(key), fence);
}

inline WorkItem Of(RecoveryPolicy policy, WorkItem item) {
  item.traits.policy = policy;
  return item;
}

inline Event WorkNews(EventKind kind, Incarnation who, std::string key, std::uint64_t fence) {
  return {.kind = kind, .incarnation = who, .work_key = std::move(key), .fence = Fence(fence)};
}
inline Event PodNews(EventKind kind, Incarnation who, std::uint32_t orphans = 1) {
  return {.kind = kind, .incarnation = who, .orphans = orphans};
}

inline Error Unreachable() {
  return {Code::kUnavailable, Reason::kNone, "nobody answers", "hint", {}};
}
inline Error Refused(Reason reason) {
  return {Code::kFailedPrecondition, reason, "refused", "hint", {}};
}

// The rules and their world: what they asked for is remembered until it is looked at.
class RunnerRulesTest : public ::testing::Test {
 protected:
  void Begin(std::uint32_t concurrency, bool takes_over = true) {
    rules_.emplace(RunnerRules::Options{
        .concurrency = concurrency,
        .takes_over = takes_over,
        .chooses = [this](const WorkItem& item) { return !unwanted_.contains(item.key); },
        .failure_pause = failure_pause_,
        .random = [this] { return random_; }});
  }

  // Registered and following the log; what it asks for at first finds nothing.
  void BeReady(std::uint32_t concurrency, bool takes_over = true) {
    Begin(concurrency, takes_over);
    rules_->OnRegistered(now_, kSelf, {});
    rules_->OnFollowing(now_);
    if (!takes_over) return;
    FindNothing();
    Look();
    seen_.clear();
  }

  // Whatever is asked for, for a while, is not there.
  void FindNothing() {
    RunFor(std::chrono::milliseconds(100));
    for (int i = 0; i < 3; ++i) {
      Look();
      for (const auto& claim : TakeAll<work_action::ClaimOrphans>()) {
        rules_->OnClaimedOrphans(now_, claim.query, std::vector<WorkItem>{});
      }
      for (const auto& list : TakeAll<work_action::ListOwn>()) {
        rules_->OnListed(now_, list.query, OwnPage{});
      }
      RunFor(std::chrono::milliseconds(100));
    }
  }

  // Lets the time pass, with all timers on the way.
  void RunFor(Duration duration) {
    const Time end = now_ + duration;
    for (auto wake = rules_->next_wake(); wake && *wake <= end; wake = rules_->next_wake()) {
      now_ = std::max(now_, *wake);
      rules_->OnTimer(now_);
      ASSERT_LT(++timers_, 100'000) << "the rules do not come to rest";
    }
    now_ = end;
  }

  void Tell(const Event& event) { rules_->OnEvent(now_, event); }

  // Submitted and started at once.
  TaskId RunsSubmitted(WorkItem item) {
    const auto query = rules_->BeginSubmit(item.key);
    if (!query) {
      ADD_FAILURE() << "no submission is taken";
      return {};
    }
    const std::string key = item.key;
    rules_->OnStarted(now_, *query, Started{StartOutcome::kStarted, std::move(item)});
    return Begun(key);
  }

  TaskId Begun(const std::string& key) {
    Look();
    for (auto it = seen_.begin(); it != seen_.end(); ++it) {
      const auto* run = std::get_if<work_action::Run>(&*it);
      if (run == nullptr || run->ownership.item.key != key) continue;
      const TaskId task = run->task;
      begun_ = run->ownership;
      seen_.erase(it);
      return task;
    }
    ADD_FAILURE() << key << " does not run";
    return {};
  }

  void Look() {
    for (WorkAction& each : rules_->TakeActions()) seen_.push_back(std::move(each));
  }

  // The actions of a kind, which are forgotten.
  template <class Kind>
  std::vector<Kind> TakeAll() {
    Look();
    std::vector<Kind> taken;
    std::erase_if(seen_, [&taken](const WorkAction& action) {
      const auto* found = std::get_if<Kind>(&action);
      if (found != nullptr) taken.push_back(*found);
      return found != nullptr;
    });
    return taken;
  }

  // The only one of its kind.
  template <class Kind>
  Kind Take() {
    auto all = TakeAll<Kind>();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Kind{} : std::move(all.back());
  }

  template <class Kind>
  std::size_t Count() {
    Look();
    return static_cast<std::size_t>(std::count_if(
        seen_.begin(), seen_.end(), [](const auto& a) { return std::holds_alternative<Kind>(a); }));
  }

  void Stop(Duration timeout = std::chrono::seconds(10)) { rules_->OnStop(now_, now_ + timeout); }

  std::map<std::string, bool> unwanted_;
  Duration failure_pause_{};
  // What has begun last.
  Ownership begun_;
  double random_ = 0.5;
  int timers_ = 0;
  Time now_{std::chrono::seconds(1000)};
  std::optional<RunnerRules> rules_;
  std::vector<WorkAction> seen_;
};

}  // namespace vigil::client
