// Claims of one item that come together, as a few transactions.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "store/lane.h"
#include "store/store.h"

namespace vigil {

// When a pod dies, its survivors go for the same items at the same moment, and all of them but one
// come too late. Of those that come through one coordinator only one asks the database: what it is
// told holds for all that waited for it, since a fence only grows.
//
//     claims of one item          transaction            answers
//     A ───────────────────────▶  A: CLAIMED  ─────────▶ A: CLAIMED
//        B, C, D come meanwhile ▶ B: LOST to A ────────▶ B, C, D: LOST to A
//
// A claim waits only for a transaction about the same item, with the same owner and fence expected,
// and is answered by one that began after it came: as if it had been made right after that one.
// What an answer does not decide for the others (RESERVED, OWNER_ALIVE) they ask for themselves.
//
// It does not promise that a claimant that has ended hears INCARNATION_ENDED: when it came too
// late, too, it may hear LOST.
//
// Thread-safe. Answers come from the lane's threads, or from the caller's own when too many wait.
class JointClaims {
 public:
  // `most` may wait for another one's transaction.   (P11)
  JointClaims(Lane& lane, size_t most) : lane_(lane), most_(most) {}

  struct Call {
    WorkClaim claim;
    // Whether nobody waits for the answer any more. Such a claim is not made, nor answered.
    std::function<bool()> abandoned;
    std::function<void(Result<ClaimedWork>)> answer;
  };
  void Make(Call call);

 private:
  // What the claims that come together have in common: namespace, key, expected owner and fence.
  using Target = std::tuple<std::string, std::string, Incarnation, Fence>;

  // Answers all that wait for the target now. Those who come meanwhile have a turn of the lane of
  // their own, behind whatever else waits for it.
  void Serve(const Target& target, Store& store);
  void AskForATurn(const Target& target);
  std::vector<Call> TakeWaiting(const Target& target);
  // Whether nobody has come meanwhile. Then its entry is gone.
  bool Done(const Target& target);
  static void AnswerAll(std::vector<Call> calls, Store& store);

  Lane& lane_;
  const size_t most_;
  std::mutex mutex_;
  // A target has an entry while the lane has work for it. Guarded by mutex_, as all that follows.
  std::map<Target, std::vector<Call>> waiting_;
  size_t count_ = 0;
};

}  // namespace vigil
