// One subscriber's way through the log: snapshot, replay, live, and its explicit end.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/commit_proof.h"
#include "coordinator/event_log.h"
#include "coordinator/settings.h"
#include "coordinator/snapshots.h"
#include "coordinator/subscriber_stream.h"
#include "core/bounded_queue.h"
#include "core/measures.h"
#include "store/lane.h"

namespace vigil {

// Replay reads pages at the pace of the subscriber and is never dropped; live delivery waits in a
// bounded queue and ends with LAGGED when that is full. The seam: once replay has reached the end
// of the log, the subscription joins the reader, unless that has gone on meanwhile; then it is told
// its position, and so that this was all of the past. A reader that finds a position lost, its own
// or a follower's, sends the follower back to replay, which finds out for itself where it stands.
//
// A server that a failover left behind does not have what the new primary has, and answers. So a
// position is lost when it was not there twice, and in between a commit was acknowledged.
//
// While the database is away a subscription stays, once it has read anything, and is told how old
// what it knows is.
//
// Runs on the log's thread. The owner calls Written after each write, and destroys it when the
// stream is over. Invariants:
//  1. It writes every event after its start that its filter chooses, in order, once, or ends with a
//  reason.   (P8)
//  2. One write is under way at a time. What waits is a page of the log or a snapshot, or the queue
//  of live delivery, and each of them is bounded.   (P11)
//  3. `written_` is a position that the subscriber may resume from: everything up to it was
//  written, or left out by the filter.
class Subscription final : public LogFollower {
 public:
  struct Environment {
    EventLog& log;
    const CommitProof& proof;
    Lane& replay;
    Snapshots& snapshots;
    Scheduler& scheduler;
    const Clock& clock;
    CoordinatorSettings settings;
    Measures& measures;
  };

  Subscription(const Environment& environment, SubscriptionRequest request,
               std::shared_ptr<SubscriberStream> stream);
  ~Subscription() override;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  void Start();
  void Written();
  void Drain();
  // The subscriber itself went, if it was not told an end.
  void Gone();

  Protocol protocol() const { return request_.protocol; }

  void OnEvents(const std::shared_ptr<const EventBatch>& batch) override;
  void OnDetached() override;

 private:
  enum class Phase { kStarting, kReplay, kLive, kOver };

  void StartAtOldest();
  void StartWithSnapshot();
  void Begin(Position after, const LogReading& reading, bool at_head);
  void ReplayOrJoin();
  void Read();
  void Took(EventPage page, Instant asked);
  void TakePast(const EventBatch& batch);
  void CouldNotRead(Error error);
  void NotFound(const EventPage& page, Instant asked);
  void ReadAgainOnceProven();
  void Enqueue(SubscriberMessage message, size_t bytes);
  void WriteNext();
  void Finish(SubscriptionEnd end);
  void End(EndNotice notice);
  void Fail(Error error, SubscriptionEnd end = SubscriptionEnd::kFailed);
  void TellPositionRegularly();
  PositionNotice Standing() const;
  // Nothing while a snapshot is not written to its end.
  std::optional<Cursor> WrittenUpTo() const;

  // Wraps a continuation so that it does nothing once the subscription is gone.
  template <typename T>
  Then<T> IfStillHere(std::function<void(Result<T>)> then);

  // Asks the store in the lane of those who replay, unless the subscription is gone by then: those
  // who gave up waiting must not keep others waiting.
  template <typename T>
  void AskStore(std::function<Result<T>(Store&)> work, std::function<void(Result<T>)> then);

  const Environment env_;
  const SubscriptionRequest request_;
  const std::shared_ptr<SubscriberStream> stream_;
  const std::shared_ptr<int> here_ = std::make_shared<int>();
  Phase phase_ = Phase::kStarting;
  // Up to where events were read for it, and up to where it has got them.
  Position read_;
  std::optional<Position> written_;
  // Of which so much is written.
  std::shared_ptr<const Snapshot> snapshot_;
  size_t snapshot_written_ = 0;
  // A page of the past, or what the reader had served before this one joined.
  std::deque<SubscriberMessage> paced_;
  bool writing_ = false;
  bool told_anything_ = false;
  bool replaying_ = false;
  // What was read last reached the end of the log.
  bool at_head_ = false;
  // By this subscription itself, while it is not live.
  LogReading own_reading_;
  // When its position was asked for that was not there.
  std::optional<Instant> missed_;
  Instant last_write_{};
  BoundedQueue<SubscriberMessage> queue_;
  // Told once the write that is under way is done.
  std::optional<EndNotice> ending_;
  std::unique_ptr<Timer> position_timer_;
  std::unique_ptr<Timer> end_timer_;
  std::unique_ptr<Timer> replay_timer_;
};

}  // namespace vigil
