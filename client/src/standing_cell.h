// The pod's standing, for any thread to ask.
#pragma once

#include "mutex.h"
#include "vigil/pod_session.h"

namespace vigil::client {

// Holds the last standing that was published, and judges it by the clock when it is read: a reader
// that finds the lease ended says LOST before the keeper has noticed, and from then on nobody can
// take that back.
//
// Thread safety: everything may be called from any thread.
class StandingCell {
 public:
  // False when a reader has seen LOST already and `standing` says that the pod is alive: then
  // nothing changes.
  bool Publish(Standing standing) {
    MutexLock lock(mutex_);
    if (lost_ && standing.alive()) return false;
    standing_ = std::move(standing);
    return true;
  }

  Standing Read(Time now) const {
    MutexLock lock(mutex_);
    if (standing_.alive() && now >= standing_.alive_until) {
      lost_ = true;
      standing_.state = SelfState::kLost;
    }
    return standing_;
  }

 private:
  mutable Mutex mutex_;
  mutable bool lost_ VIGIL_GUARDED_BY(mutex_) = false;
  mutable Standing standing_ VIGIL_GUARDED_BY(mutex_);
};

}  // namespace vigil::client
