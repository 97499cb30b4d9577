// The host's own evidence on its way into the database.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/loop.h"
#include "coordinator/assigner.h"
#include "coordinator/commit_news.h"
#include "store/lane.h"
#include "store/store.h"

namespace vigil {

// How many pods the transaction of a suspicion, a refutation or a death takes. Bounds how long it
// holds the head of the log, and the size of its part of the log, and lets it leave in one piece.
// (P11)
inline constexpr size_t kLargestVerdict = 128;

template <typename T>
std::vector<std::vector<T>> InBatches(const std::vector<T>& all) {
  std::vector<std::vector<T>> batches;
  for (size_t i = 0; i < all.size(); i += kLargestVerdict) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end =
        all.begin() + static_cast<std::ptrdiff_t>(std::min(i + kLargestVerdict, all.size()));
    batches.emplace_back(begin, end);
  }
  return batches;
}

// Gathers suspicions and deaths that arrive while a transaction is under way, and commits them
// together: one for the first, then as many as have gathered. Runs on the loop's thread.
class Verdicts {
 public:
  // Whether the pod's state was changed; false when the verdict was void (the pod has moved, or had
  // ended).
  using Done = Then<bool>;

  // `news` is told of the events of each transaction, right after its commit; the assigner looks
  // where there are orphans.
  Verdicts(Lane& lane, Scheduler& scheduler, const CommitNews& news, Assigner& assigner)
      : lane_(lane), scheduler_(scheduler), news_(news), assigner_(assigner) {}

  void Suspect(const std::string& ns, HostedPod pod, Cause cause, Done done);
  void Declare(const std::string& ns, HostedPod pod, Cause cause, Done done);

 private:
  enum class Verdict { kSuspect, kDeclare };
  // What one transaction can hold: one verdict, one namespace, one cause.
  using Kind = std::tuple<Verdict, std::string, Cause>;
  struct Waiting {
    HostedPod pod;
    Done done;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    bool under_way = false;
  };

  void Add(const Kind& kind, HostedPod pod, Done done);
  void Commit(const Kind& kind);

  Lane& lane_;
  Scheduler& scheduler_;
  const CommitNews news_;
  Assigner& assigner_;
  std::map<Kind, Queue> queues_;
};

}  // namespace vigil
