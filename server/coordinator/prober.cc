#include "coordinator/prober.h"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "coordinator/verdicts.h"
#include "core/errors.h"
#include "core/jitter.h"

namespace vigil {
namespace {

// An observer that was silent for longer has missed what happened meanwhile.
constexpr int kLongestGapInProbes = 4;

// The last leases were granted under the trust window of the host, which may be set to another
// value than ours while a cluster is being changed.   (P7)
Timing ForHost(Timing timing, Duration host_trust_window) {
  timing.trust_window = std::max(timing.trust_window, host_trust_window);
  return timing;
}

std::map<HostedPod, SuspicionNumber> NumbersOf(const std::vector<Suspicion>& suspicions) {
  std::map<HostedPod, SuspicionNumber> numbers;
  for (const auto& [pod, number] : suspicions) numbers.emplace(pod, number);
  return numbers;
}

}  // namespace

Prober::Prober(Lane& lane, Scheduler& scheduler, const Clock& clock, Timing timing, MassLimits mass,
               const Membership& membership, LockTableGuard& lock_table, Assigner& assigner,
               Measures& measures, uint64_t seed, std::function<void()> committed)
    : lane_(lane),
      scheduler_(scheduler),
      clock_(clock),
      timing_(timing),
      membership_(membership),
      lock_table_(lock_table),
      assigner_(assigner),
      measures_(measures),
      committed_(std::move(committed)),
      random_(seed),
      pods_(kLongestGapInProbes * timing.probe_interval),
      mass_(mass),
      coordinators_(kLongestGapInProbes * timing.probe_interval) {}

void Prober::Start() { ProbeSoon(); }

void Prober::ProbeSoon() {
  const Duration interval = timing_.probe_interval;
  const Duration ahead = due_ - clock_.Now();
  const Duration rest = ahead > Duration::zero() ? std::min(ahead, interval) : interval / 2;
  timer_ = scheduler_.After(rest + Between(interval / 10, interval * 3 / 10, random_),
                            [this] { Probe(); });
}

void Prober::Probe() {
  const Instant asked = clock_.Now();
  due_ = asked + timing_.probe_interval;
  const auto observer = membership_.observer(asked);
  if (!observer) {
    ProbeSoon();
    return;
  }
  const bool stands_still = asked - turn_since_ > timing_.probe_interval * 3 / 2;
  Ask<ProbeReport>(
      lane_, scheduler_,
      [observer = *observer, interval = timing_.probe_interval,
       stood_still = stands_still ? turn_ : WallMicros{}](Store& store) {
        return store.Probe(observer, interval, stood_still);
      },
      [this, observer = *observer, asked](const Result<ProbeReport>& report) {
        if (report) {
          due_ = clock_.Now() + (report->of_all ? timing_.probe_interval : report->next_turn);
          if (std::exchange(turn_, report->turn) != report->turn) turn_since_ = asked;
          if (report->of_all) measures_.Probed(clock_.Now() - asked);
          if (report->locks_counted) {
            lock_table_.Read(report->locks);
          } else {
            lock_table_.Heard(report->locks);
          }
          Notice(*report);
        } else if (report.error().Is(reason::kLimitReached)) {
          lock_table_.Full();
        }
        // What was asked for before a pause of our own says nothing about now.
        if (report && membership_.observer(clock_.Now())) {
          Judge(observer, *report);
        } else if (!report) {
          log::Debug("The probe failed.", {{"error", report.error().message}});
        }
        if (under_way_ == 0) ProbeSoon();
      });
}

void Prober::Notice(const ProbeReport& report) {
  view_.alive = report.living - std::min(report.living, report.suspect);
  view_.suspect = report.suspect;
  view_.locks = report.locks;
  std::unordered_map<SuspicionNumber, Instant> standing;
  for (const FreePod& free : report.free_pods) {
    if (!free.suspicion) continue;
    const auto known = noticed_.find(free.suspicion);
    standing[free.suspicion] = known == noticed_.end() ? clock_.Now() : known->second;
  }
  noticed_ = std::move(standing);
}

std::map<std::string, std::vector<Suspicion>> Prober::Due(const ProbeReport& report) {
  const Instant now = clock_.Now();
  std::vector<Standing<SuspicionNumber>> standing;
  for (const FreePod& free : report.free_pods) {
    if (!free.suspicion) continue;
    const Timing timing = ForHost(timing_, free.host_trust_window);
    standing.push_back({free.suspicion, GraceFor(free.profile, free.lease, timing)});
  }
  const auto due_numbers = pods_.Observe(standing, now);
  const std::unordered_set<SuspicionNumber> due(due_numbers.begin(), due_numbers.end());
  const size_t suspicions = standing.size();
  std::erase_if(standing, [&](const auto& suspicion) { return !due.contains(suspicion.key); });

  const auto ruling = mass_.Weigh(standing, suspicions, report.living, now);
  view_.mass_suspicion = ruling.held > 0;
  if (ruling.begins) {
    log::Warning("Too many pods are SUSPECT on weak evidence; their deaths are held back.",
                 {{"suspect", suspicions},
                  {"living", report.living},
                  {"held", ruling.held},
                  {"milliseconds", ruling.longest / std::chrono::milliseconds(1)}});
  }
  const std::unordered_set<SuspicionNumber> carried_out(ruling.carried_out.begin(),
                                                        ruling.carried_out.end());
  std::map<std::string, std::vector<Suspicion>> verdicts;
  for (const FreePod& free : report.free_pods) {
    if (carried_out.contains(free.suspicion)) {
      verdicts[free.ns].push_back({free.pod, free.suspicion});
    }
  }
  return verdicts;
}

void Prober::Saw() {
  const Instant now = clock_.Now();
  const size_t forgotten = pods_.Saw(now) + coordinators_.Saw(now);
  if (forgotten == 0) return;
  log::Warning("This observer saw nothing for too long; the graces that it counted begin anew.",
               {{"suspicions", forgotten}});
}

void Prober::Judge(Observer observer, const ProbeReport& report) {
  Saw();
  observer.identity = report.identity;
  if (std::exchange(identity_, report.identity) != report.identity) {
    pods_.Forget();
    coordinators_.Forget();
  }
  std::map<std::string, std::vector<HostedPod>> unsuspected;
  for (const FreePod& free : report.free_pods) {
    if (!free.suspicion) unsuspected[free.ns].push_back(free.pod);
  }
  for (const auto& [ns, pods] : unsuspected) {
    for (const auto& batch : InBatches(pods)) {
      Carry<std::vector<Suspicion>>(
          [observer, ns = ns, batch](Store& store) {
            return store.SuspectFree(observer, ns, batch);
          },
          [this, ns = ns](const Suspicion& suspicion) {
            noticed_[suspicion.number] = clock_.Now();
            pods_.Raised(suspicion.number, clock_.Now());
            measures_.Suspected(Evidence::kWeak);
            log::Info("A lock was found free; its pod is SUSPECT.",
                      {{"namespace", ns},
                       {"incarnation", suspicion.pod.incarnation},
                       {"suspicion", suspicion.number}});
          });
    }
  }
  for (const auto& [ns, suspicions] : Due(report)) {
    for (const auto& batch : InBatches(suspicions)) {
      Carry<std::vector<HostedPod>>(
          [observer, ns = ns, batch](Store& store) {
            return store.DeclareFree(observer, ns, batch);
          },
          [this, ns = ns, numbers = NumbersOf(batch)](const HostedPod& pod) {
            assigner_.Look(ns);
            if (const auto noticed = noticed_.find(numbers.at(pod)); noticed != noticed_.end()) {
              const Duration stood = clock_.Now() - noticed->second;
              measures_.Died(Cause::kLockFree, stood);
              measures_.Confirmed(stood);
            }
            log::Info("The lock stayed free for the grace; its pod is DEAD.",
                      {{"namespace", ns}, {"incarnation", pod.incarnation}});
          });
    }
  }

  std::vector<Standing<CoordinatorNumber>> silent;
  for (const FreeCoordinator& free : report.free_coordinators) {
    const Timing timing = ForHost(timing_, free.trust_window);
    silent.push_back({free.number, Stretched(timing.trust_window, timing)});
  }
  const auto lost = coordinators_.Observe(silent, clock_.Now());
  if (!lost.empty()) {
    Carry<std::vector<CoordinatorNumber>>(
        [observer, lost](Store& store) { return store.GiveUpCoordinators(observer, lost); },
        [](CoordinatorNumber number) {
          log::Info("A coordinator is gone and was given up.", {{"coordinator", number}});
        });
  }
}

template <typename T, typename Verdict>
void Prober::Carry(std::function<Result<T>(Store&)> work, Verdict told) {
  ++under_way_;
  Ask<T>(lane_, scheduler_, std::move(work), [this, told](const Result<T>& outcome) {
    if (outcome) {
      Saw();
      for (const auto& one : *outcome) told(one);
      if (!outcome->empty()) committed_();
    } else {
      log::Failed("A verdict of the probe was not carried out.", outcome.error());
    }
    if (--under_way_ == 0) ProbeSoon();
  });
}

}  // namespace vigil
