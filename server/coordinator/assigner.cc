#include "coordinator/assigner.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/jitter.h"

namespace vigil {
namespace {

constexpr uint32_t kBatch = 64;
constexpr uint32_t kNamespacesAtOnce = 100;
// Namespaces that wait for their turn.   (P11)
constexpr size_t kMostTurns = 1000;
constexpr Duration kShortestPause = std::chrono::milliseconds(5);

}  // namespace

Assigner::Assigner(Lane& lane, Scheduler& scheduler, const Clock& clock, Duration interval,
                   uint64_t seed, std::function<void()> committed)
    : lane_(lane),
      scheduler_(scheduler),
      clock_(clock),
      interval_(interval),
      random_(seed),
      committed_(std::move(committed)) {}

void Assigner::Start() { SweepLater(); }

void Assigner::Look(const std::string& ns) {
  if (turns_.size() < kMostTurns) Queue(ns);
}

void Assigner::SweepLater() {
  sweep_timer_ = scheduler_.After(Around(interval_, random_), [this] {
    listed_.clear();
    Queue(std::nullopt);
  });
}

void Assigner::Queue(Turn turn) {
  if (std::ranges::find(turns_, turn) == turns_.end()) turns_.push_back(std::move(turn));
  if (!busy_) TakeTurn();
}

void Assigner::TakeTurn() {
  busy_ = !turns_.empty();
  if (!busy_) return;
  const Turn turn = std::move(turns_.front());
  turns_.pop_front();
  if (turn) {
    Assign(*turn);
  } else {
    ListMore();
  }
}

template <typename T>
void Assigner::Carry(std::function<Result<T>(Store&)> work, Then<T> then) {
  Ask<T>(lane_, scheduler_, std::move(work),
         [this, began = clock_.Now(), then = std::move(then)](const Result<T>& outcome) {
           const bool first = !std::exchange(failing_, !outcome);
           if (!outcome && first) {
             log::Failed("Work could not be assigned; it is tried again.", outcome.error());
           }
           then(outcome);
           const Duration pause = std::max<Duration>(clock_.Now() - began, kShortestPause);
           pause_timer_ = scheduler_.After(pause, [this] { TakeTurn(); });
         });
}

void Assigner::ListMore() {
  using Namespaces = std::vector<std::string>;
  Carry<Namespaces>(
      [after = listed_](Store& store) { return store.ListAssignable(after, kNamespacesAtOnce); },
      [this](const Result<Namespaces>& listed) {
        if (!listed) return SweepLater();
        for (const std::string& ns : *listed) Look(ns);
        if (listed->size() < kNamespacesAtOnce) return SweepLater();
        listed_ = listed->back();
        Queue(std::nullopt);
      });
}

void Assigner::Assign(const std::string& ns) {
  Carry<AssignedWork>([ns](Store& store) { return store.AssignWork(ns, kBatch); },
                      [this, ns](const Result<AssignedWork>& done) {
                        if (!done) return;  // The next sweep lists it again.
                        if (done->assigned + done->quarantined > 0) {
                          log::Debug("Assigned.", {{"namespace", ns},
                                                   {"items", done->assigned},
                                                   {"quarantined", done->quarantined}});
                          committed_();
                        }
                        if (done->more) Look(ns);
                      });
}

}  // namespace vigil
