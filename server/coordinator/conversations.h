// The conversations with pods: one per stream, from its first message to its end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/assigner.h"
#include "coordinator/hosted_pods.h"
#include "coordinator/joint_transactions.h"
#include "coordinator/liveness.h"
#include "coordinator/membership.h"
#include "coordinator/own_link.h"
#include "coordinator/pod_stream.h"
#include "coordinator/settings.h"
#include "core/lock_table.h"
#include "core/measures.h"
#include "store/lane.h"

namespace vigil {

// How many pods one transaction registers. Bounds how long it holds the head of the log, and the
// size of its part of the log.   (P11)
inline constexpr size_t kMostRegistered = 100;
// And how many resumes: with their tokens they leave in one piece.
inline constexpr size_t kMostResumed = 32;

// Opens each conversation with Register or Resume, which takes a lock and then commits the row;
// hands the pod to HostedPods from then on.
//
//   NEW ── Register, Resume ──▶ OPENING ── row committed ──▶ HOSTING ── Leave ──▶ LEAVING
//                                  │ ▲
//                                  └─┘ the name is taken: supersede, or wait and try again
//
// Runs on the loop's thread.
// Invariants:
//  1. A lock is taken before its row is visible, and let go when no row will name it.   (P1)
//  2. Every conversation has a deadline for its first message, and waits for a name only as long as
//  the pod asked.   (P11)
//  3. A registration supersedes only the incumbent that it finds first: whoever took the name while
//  it was under way came together with it.
//  4. A pod is hosted only under the coordinator's number that its row names: only that one's
//  renewals return the session when it is taken.   (P7)
class Conversations {
 public:
  using Stream = std::shared_ptr<PodStream>;

  struct Environment {
    Lane& sessions;
    Scheduler& scheduler;
    const Clock& clock;
    LivenessSessions& liveness;
    const Membership& membership;
    const OwnLink& link;
    HostedPods& hosted;
    LockTableGuard& lock_table;
    Assigner& assigner;
    Measures& measures;
    // An unguessable string.
    std::function<std::string()> make_token;
    // Called after each transaction that wrote events.
    std::function<void()> committed;
  };

  Conversations(Environment environment, const CoordinatorSettings& settings)
      : env_(std::move(environment)),
        settings_(settings),
        registrations_(
            env_.sessions, env_.scheduler, kMostRegistered,
            [refuted = CountRefuted()](Store& store, const std::vector<NewPod>& pods) {
              return store.RegisterTogether(pods, refuted);
            },
            [](const NewPod& one, const NewPod& other) {
              return one.registration_id == other.registration_id ||
                     one.coordinator != other.coordinator;
            }),
        resumes_(
            env_.sessions, env_.scheduler, kMostResumed,
            [refuted = CountRefuted()](Store& store, const std::vector<ResumePod>& pods) {
              return store.ResumeTogether(pods, refuted);
            },
            [](const ResumePod& one, const ResumePod& other) {
              return one.incarnation == other.incarnation || one.coordinator != other.coordinator;
            }) {}

  void Opened(const Stream& stream);
  void Received(const Stream& stream, const PodMessage& message);
  // A message was malformed.
  void Refused(const Stream& stream, Error error);
  // The stream is over, whoever ended it. The last call for it.
  void Ended(const Stream& stream);

  // Takes no new pod from now on.
  void Drain();

  // Whether pods that another coordinator cannot serve well do better here.
  bool WelcomesPods() const;

  // Why there is no place for a pod that moves here, whatever else; and for one that is new.
  std::optional<Error> NoRoomForMoved() const;
  std::optional<Error> NoRoomForNew() const;

 private:
  struct Conversation {
    enum class Phase { kNew, kOpening, kHosting, kLeaving, kOver };
    Phase phase = Phase::kNew;
    SessionNumber session;
    // Until the stream is hosted, or has ended.
    std::shared_ptr<const void> awaits = std::make_shared<char>();
    // For the first message, or to try the name again.
    std::unique_ptr<Timer> timer;
    Instant name_deadline{};
    bool tried_to_supersede = false;
  };

  void BeginRegister(const Stream& stream, const RegisterMessage& message);
  void TryRegister(const Stream& stream, const RegisterMessage& message, SessionNumber session);
  void TriedToRegister(const Stream& stream, const RegisterMessage& message, SessionNumber session,
                       Result<RegisterOutcome> outcome);
  void TrySupersede(const Stream& stream, const RegisterMessage& message, SessionNumber session,
                    Incarnation incumbent);
  void HostRegistered(const Stream& stream, Registered registered);
  NewPod Newcomer(const RegisterMessage& message, SessionNumber session) const;
  void NameIsTaken(const Stream& stream, const RegisterMessage& message, Incarnation incumbent);
  void BeginResume(const Stream& stream, const ResumeMessage& message);
  void TriedToResume(const Stream& stream, SessionNumber session, Result<Pod> resumed);
  void BeginLeave(const Stream& stream, Conversation& conversation);
  void WithLock(const Stream& stream, std::function<void(SessionNumber)> then);
  // Hosts the pod, unless this coordinator was given up meanwhile, and returns whether somebody is
  // there to be told.
  bool Host(const Stream& stream, const Pod& pod);
  std::optional<Error> RefusesNewPods() const;
  std::optional<Error> HostsAsManyAsItMay() const;
  TellRefuted CountRefuted() const;
  // Null when the conversation is not opening any more.
  Conversation* Opening(const Stream& stream);
  void Finish(const Stream& stream, std::optional<Error> error);

  const Environment env_;
  const CoordinatorSettings settings_;
  // No more can wait than there are conversations.   (P11)
  JointTransactions<NewPod, RegisterOutcome> registrations_;
  JointTransactions<ResumePod, Pod> resumes_;
  std::unordered_map<Stream, Conversation> conversations_;
  bool draining_ = false;
};

}  // namespace vigil
