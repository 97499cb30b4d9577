// Pods that move here together, as a few transactions.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "coordinator/awaited.h"
#include "core/measures.h"
#include "store/lane.h"
#include "store/store.h"

namespace vigil {

// How many resumes a transaction takes. Bounds how long it holds the head of the log, and lets it
// leave in one piece, with their tokens.   (P11)
inline constexpr size_t kMostResumed = 32;

// Gathers resumes that arrive while transactions are under way, and commits them together: one for
// the first, then as many as have gathered. Each move is an event, and so each commit in a
// namespace waits for the one before: one by one, the pods of a coordinator that is lost would have
// to wait for as many commits, and on a loaded machine for longer than their leases last.
//
// Runs on the loop's thread. As many may wait as there are conversations.   (P11)
class Resumes {
 public:
  Resumes(Lane& lane, Scheduler& scheduler, Measures& measures)
      : lane_(lane), scheduler_(scheduler), measures_(measures) {}

  void Add(ResumePod pod, Awaited awaited, Then<Pod> done);

 private:
  struct Waiting {
    ResumePod pod;
    Awaited awaited;
    Then<Pod> done;
  };
  using Batch = std::vector<Waiting>;
  struct Queue {
    std::deque<Waiting> waiting;
    int transactions = 0;
  };

  void Commit(const std::string& ns);
  // None of an incarnation twice.
  static Batch TakeBatch(Queue& queue);
  // Of each of them, in this order. Runs in the lane.
  static Resumed Resume(Store& store, const Batch& batch, const TellRefuted& refuted);

  Lane& lane_;
  Scheduler& scheduler_;
  Measures& measures_;
  std::map<std::string, Queue> queues_;
};

}  // namespace vigil
