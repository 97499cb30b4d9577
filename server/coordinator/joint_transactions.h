// What is asked of the database at once, as a few transactions.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "coordinator/awaited.h"
#include "store/lane.h"
#include "store/store.h"

namespace vigil {

// Gathers what waits for a lane, and commits it together. A crowd of pods asks at once, and each
// transaction holds the head of the namespace's log until the disk has it: one by one, the last pod
// would wait for as many of those as there are pods.
//
//     lane   ├─ A ─┤├─ B, C, D ─┤     B waits for the lane; C and D come before it begins
//
// Whoever comes alone waits for nobody. A batch that meets a locked row holds one thread of the
// lane, as a single wish would, and others go on beside it. When the database fails it, all of it
// has failed: each asks again for itself, and by its id it is found what became of it.
//
// `Wish` names its namespace, `ns`. Runs on the loop's thread. It does not bound what waits: its
// user does.
template <typename Wish, typename Outcome>
class JointTransactions {
 public:
  using Outcomes = std::vector<Result<Outcome>>;
  // One transaction for wishes of one namespace. Answers each, in their order. Runs in the lane.
  using Commit = std::function<Outcomes(Store&, const std::vector<Wish>&)>;

  // Whether two wishes may not share a transaction.
  using Apart = bool (*)(const Wish&, const Wish&);

  // `most` is how many wishes a transaction takes.   (P11)
  JointTransactions(
      Lane& lane, Scheduler& scheduler, size_t most, Commit commit,
      Apart apart = [](const Wish&, const Wish&) { return false; })
      : lane_(lane),
        scheduler_(scheduler),
        most_(most),
        commit_(std::move(commit)),
        apart_(apart) {}

  // When nobody awaits it any more, it is left out of a transaction that has not begun, and the
  // outcome is DATABASE_UNAVAILABLE.
  void Add(Wish wish, Awaited awaited, Then<Outcome> then) {
    const std::string ns = wish.ns;
    Waiting waiting{std::move(wish), std::move(awaited), std::move(then)};
    std::shared_ptr<Batch>& last = last_[ns];
    if (last && last->Add(waiting, most_, apart_)) return;
    last = std::make_shared<Batch>();
    last->Add(waiting, most_, apart_);
    Ask<Outcomes>(
        lane_, scheduler_,
        [batch = last, commit = commit_](Store& store) -> Result<Outcomes> {
          return commit(store, batch->Begin());
        },
        [this, ns, batch = last](Result<Outcomes> outcomes) {
          // Nobody comes any more to one that the lane has refused, either.
          if (const auto found = last_.find(ns); found != last_.end() && found->second == batch) {
            last_.erase(found);
          }
          batch->Answer(std::move(outcomes));
        });
  }

 private:
  struct Waiting {
    Wish wish;
    Awaited awaited;
    Then<Outcome> then;
  };

  // Filled on the loop's thread until a thread of the lane begins with it; then it is that one's,
  // and in the end the loop's again.
  class Batch {
   public:
    // False when there is no place in it any more; then nothing has become of `waiting`.
    bool Add(Waiting& waiting, size_t most, Apart apart) {
      std::lock_guard lock(mutex_);
      if (begun_ || waiting_.size() == most) return false;
      for (const Waiting& other : waiting_) {
        if (apart(other.wish, waiting.wish)) return false;
      }
      waiting_.push_back(std::move(waiting));
      return true;
    }

    // What is awaited. That stands first from here on.
    std::vector<Wish> Begin() {
      std::lock_guard lock(mutex_);
      begun_ = true;
      const auto given_up =
          std::stable_partition(waiting_.begin(), waiting_.end(),
                                [](const Waiting& waiting) { return !waiting.awaited.expired(); });
      std::vector<Wish> wishes;
      for (auto each = waiting_.begin(); each != given_up; ++each) wishes.push_back(each->wish);
      return wishes;
    }

    void Answer(Result<Outcomes> outcomes) {
      for (size_t i = 0; i < waiting_.size(); ++i) {
        if (!outcomes) {
          waiting_[i].then(Fail(outcomes.error()));
        } else if (i < outcomes->size()) {
          waiting_[i].then(std::move((*outcomes)[i]));
        } else {
          waiting_[i].then(Fail(NobodyWaits()));
        }
      }
    }

   private:
    std::mutex mutex_;
    bool begun_ = false;
    std::vector<Waiting> waiting_;
  };

  Lane& lane_;
  Scheduler& scheduler_;
  const size_t most_;
  const Commit commit_;
  const Apart apart_;
  // By namespace, the batch that came last, until it is answered.
  std::map<std::string, std::shared_ptr<Batch>> last_;
};

}  // namespace vigil
