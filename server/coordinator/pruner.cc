#include "coordinator/pruner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "core/jitter.h"

namespace vigil {
namespace {

constexpr uint32_t kBatch = 1000;
constexpr uint32_t kNamespacesAtOnce = 100;
// Of one namespace in one sweep, so that one that is written without rest keeps no other waiting.
constexpr int kRounds = 10;
constexpr Duration kShortestPause = std::chrono::milliseconds(10);

}  // namespace

Pruner::Pruner(Lane& lane, Scheduler& scheduler, const Clock& clock, const Retention& retention,
               Duration interval, uint64_t seed)
    : lane_(lane),
      scheduler_(scheduler),
      clock_(clock),
      retention_(retention),
      interval_(interval),
      random_(seed) {}

void Pruner::Start() { SweepLater(); }

void Pruner::SweepLater() {
  timer_ = scheduler_.After(Around(interval_, random_), [this] { Sweep(); });
}

void Pruner::Sweep() {
  namespaces_.clear();
  listed_.clear();
  rounds_ = 0;
  unfinished_ = false;
  PruneCoordinators();
}

template <typename T>
void Pruner::Carry(std::function<Result<T>(Store&)> work, std::function<Step(T)> then,
                   Step otherwise) {
  Ask<T>(lane_, scheduler_, std::move(work),
         [this, began = clock_.Now(), then = std::move(then), otherwise](Result<T> outcome) {
           const bool first = !std::exchange(failing_, !outcome);
           if (!outcome && first) {
             log::Failed("Old events, pods and items could not be pruned; it is tried again.",
                         outcome.error());
           }
           const Step next = outcome ? then(std::move(*outcome)) : otherwise;
           const Duration pause = std::max<Duration>(clock_.Now() - began, kShortestPause);
           timer_ = scheduler_.After(pause, [this, next] { (this->*next)(); });
         });
}

void Pruner::PruneCoordinators() {
  Carry<uint64_t>(
      [age = retention_.age](Store& store) { return store.PruneCoordinators(age, kBatch); },
      [](uint64_t pruned) {
        return pruned < kBatch ? &Pruner::PruneNextNamespace : &Pruner::PruneCoordinators;
      });
}

void Pruner::PruneNextNamespace() {
  if (namespaces_.empty()) {
    ListNamespaces();
  } else {
    PruneNamespace();
  }
}

void Pruner::ListNamespaces() {
  Carry<std::vector<std::string>>(
      [after = listed_](Store& store) { return store.ListNamespaces(after, kNamespacesAtOnce); },
      [this](const std::vector<std::string>& listed) {
        if (listed.empty()) return unfinished_ ? &Pruner::Sweep : &Pruner::SweepLater;
        namespaces_.assign(listed.begin(), listed.end());
        listed_ = listed.back();
        return &Pruner::PruneNamespace;
      });
}

void Pruner::PruneNamespace() {
  Carry<Pruned>([ns = namespaces_.front(), retention = retention_](
                    Store& store) { return store.Prune(ns, retention, kBatch); },
                [this](const Pruned& pruned) {
                  log::Debug("Pruned.", {{"namespace", namespaces_.front()},
                                         {"events", pruned.events},
                                         {"pods", pruned.pods},
                                         {"items", pruned.items}});
                  if (pruned.more && ++rounds_ < kRounds) return &Pruner::PruneNamespace;
                  unfinished_ = unfinished_ || pruned.more;
                  return &Pruner::SkipNamespace;
                },
                &Pruner::SkipNamespace);
}

// One that fails each time keeps no other waiting.
void Pruner::SkipNamespace() {
  rounds_ = 0;
  namespaces_.pop_front();
  PruneNextNamespace();
}

}  // namespace vigil
