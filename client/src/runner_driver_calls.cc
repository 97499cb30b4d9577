// What a runner runs, and what it asks the coordinators.
#include <utility>

#include "own_error.h"
#include "runner_driver.h"
#include "runner_options.h"

namespace vigil::client {
namespace {

// Of the list of what the pod owns.
constexpr std::uint32_t kPageSize = 500;

template <class Answer>
std::optional<Error> ErrorOf(const Result<Answer>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

}  // namespace

// --- What runs ---

TaskRun::Handlers Runner::Driver::HandlersOf(TaskId task) {
  return {.returned =
              [this, task](TaskResult result) {
                OnLoop([task, result = std::move(result)](RunnerRules& rules, Time now) {
                  rules.OnReturned(now, task, result);
                });
              },
          .finished =
              [this, task](std::optional<Error> error) {
                OnLoop([task, error = std::move(error)](RunnerRules& rules, Time now) {
                  rules.OnFinished(now, task, error);
                });
              },
          .fenced =
              [this, task] {
                OnLoop([task](RunnerRules& rules, Time now) { rules.OnFenced(now, task); });
              },
          .ended =
              [this, task] {
                loop_.Post([this, task] {
                  tasks_.erase(task);
                  CloseWhenOver();
                });
              }};
}

void Runner::Driver::Do(const work_action::Run& run) {
  const WorkItem& item = run.ownership.item;
  auto begun = std::make_unique<TaskRun>(
      item, work_, *session_, FunctionFor(options_, item.traits.kind), HandlersOf(run.task));
  if (begun->Begin()) {
    tasks_.emplace(run.task, std::move(begun));
    Tell(callbacks_.on_owned, run.ownership);
    return;
  }
  Tell(callbacks_.on_trouble,
       MakeError(Code::kResourceExhausted, "the system has no thread for another work function",
                 "Raise the limit of threads, or lower the concurrency."));
  rules_.OnNotBegun(BootClock::now(), run.task);
}

void Runner::Driver::Do(const work_action::Fire& fire) {
  ToTask(fire.task, [&](TaskRun& task) { task.Fire(fire.lost); });
}
void Runner::Driver::Do(work_action::Finish& finish) {
  ToTask(finish.task, [&](TaskRun& task) { task.Finish(std::move(finish.result)); });
}
void Runner::Driver::Do(const work_action::Forget& forget) {
  ToTask(forget.task, [](TaskRun& task) { task.Forget(); });
}

// --- Calls ---

void Runner::Driver::Do(const work_action::ClaimOrphans& claim) {
  asks_->Post([this, claim] {
    auto items = work_.ClaimOrphans(self_, claim.limit, choice_);
    OnLoop([id = claim.query, items = std::move(items)](RunnerRules& rules, Time now) {
      rules.OnClaimedOrphans(now, id, items);
    });
  });
}

void Runner::Driver::Do(const work_action::ListOwn& list) {
  asks_->Post([this, list] {
    OnLoop([id = list.query, own = ListOwn(list.page_token)](RunnerRules& rules, Time now) {
      rules.OnListed(now, id, own);
    });
  });
}

Result<OwnPage> Runner::Driver::ListOwn(const std::string& page_token) const {
  auto page = work_.List({.owner = self_, .page_size = kPageSize, .page_token = page_token});
  if (!page) return tl::unexpected(std::move(page.error()));
  OwnPage own{.next_page_token = std::move(page->next_page_token)};
  for (const WorkItem& item : page->items) {
    if (item.state == WorkState::kOwned && item.owner == self_) own.fences[item.key] = item.fence;
  }
  return own;
}

void Runner::Driver::Do(const work_action::Start& start) {
  asks_->Post([this, start] {
    auto started = work_.Start(self_, start.order.key, start.order.payload, start.order.traits);
    OnLoop([id = start.query, started = std::move(started)](RunnerRules& rules, Time now) {
      rules.OnStarted(now, id, started);
    });
  });
}

void Runner::Driver::Do(const work_action::Fetch& fetch) {
  takes_->Post([this, fetch] {
    OnLoop([id = fetch.query, item = work_.Get(fetch.key)](RunnerRules& rules, Time now) {
      rules.OnFetched(now, id, item);
    });
  });
}

void Runner::Driver::Do(const work_action::Claim& claim) {
  takes_->Post([this, claim] {
    auto claimed = work_.Claim(self_, claim.key, claim.expected_owner, claim.expected_fence);
    OnLoop([id = claim.query, claimed = std::move(claimed)](RunnerRules& rules, Time now) {
      rules.OnClaimed(now, id, claimed);
    });
  });
}

void Runner::Driver::Do(const work_action::Release& release) {
  takes_->Post([this, release] {
    auto error = ErrorOf(work_.Release(self_, release.key, release.fence));
    OnLoop([id = release.query, error = std::move(error)](RunnerRules& rules, Time) {
      rules.OnReleased(id, error);
    });
  });
}

}  // namespace vigil::client
