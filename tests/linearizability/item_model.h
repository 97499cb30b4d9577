// What a work item is meant to be, in the plainest words: one call after another.
#pragma once

#include <map>
#include <optional>

#include "linearizability/calls.h"

namespace vigil::linearizability {

// One item, from before its start, and the incarnations that have ended.
//
//  1. Only the owner with the current fence changes it, while it lives; what it completed stays.
//  2. It is claimed from the dead, or from nobody, by one that lives and names owner and fence; or
//  its owner transfers it to one that lives.
//  3. How often it was taken over from the dead, or failed, is counted.
//  4. Its fence begins at 1 and grows by one with every change of owner. (A failover of the
//  database, after which it may jump, and an item that was pruned are not for this model; nor are
//  policies, and an item that was adopted too often.)
class ItemModel {
 public:
  // Carries it out; the answer.
  Answer Do(const Call& call);

  // Carries it out; whether it may be answered so. A claimant that has ended and comes too late may
  // hear either.
  bool Do(const Call& call, const Answer& answer);

  // What the log tells of the last call that was carried out; nothing when it tells nothing.
  const std::optional<Event>& told() const { return told_; }

  // Nothing before its start.
  std::optional<Item> Shown() const;

  // Whether a call has made a difference.
  bool SameAs(const ItemModel& other) const {
    return item_ == other.item_ && ended_ == other.ended_ && deeds_ == other.deeds_;
  }

 private:
  Answer Start(const Call& call);
  // Of its owner: a checkpoint, the completion, the release, the failure.
  Answer Change(const Call& call);
  Answer Transfer(const Call& call);
  // Why its owner is refused, or whoever is not; nothing when it is not.
  std::optional<Answer> RefusalOf(const Call& call) const;
  Answer Claim(const Call& call);
  Answer ClaimOrphan(const Call& call);
  Answer End(const Call& call);

  bool IsOrphan() const;
  bool IsClaimable() const;
  void Adopt(Incarnation owner);
  void GiveTo(Incarnation owner);
  void Tell(EventKind kind, Incarnation pod, Incarnation previous_owner = {});
  Answer Refusal(std::string_view reason) const;

  // Without `orphan`, which follows from who has ended.
  std::optional<Item> item_;
  // How.
  std::map<Incarnation, Operation> ended_;
  // What its holders did that gave it up: with which fence, who, what, and to whom.
  struct Deed {
    Incarnation holder;
    Operation operation = Operation::kRelease;
    Incarnation receiver;
    bool operator==(const Deed&) const = default;
  };
  bool HasDone(const Call& call, Incarnation receiver) const;
  std::map<Fence, Deed> deeds_;
  std::optional<Event> told_;
};

}  // namespace vigil::linearizability
