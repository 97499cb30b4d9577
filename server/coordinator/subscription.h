// One subscriber's way through the log: snapshot, replay, live, and its explicit end.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/event_log.h"
#include "coordinator/own_link.h"
#include "coordinator/settings.h"
#include "core/bounded_queue.h"
#include "core/cursor.h"
#include "store/lane.h"

namespace vigil {

// Where a subscription begins.
struct FromOldest {};
struct FromNow {};
using SubscriptionStart = std::variant<Cursor, FromOldest, FromNow>;

// --- What a subscriber is told.

struct SnapshotPart {
  std::vector<Pod> pods;
  // On the last part only.
  std::optional<Cursor> cursor;
};

struct DeliveredEvents {
  EventBatch events;
  Cursor cursor;
};

struct PositionNotice {
  Cursor cursor;
  Seq head;
  Duration read_age{};
};

enum class EndReason { kExpired, kLagged, kDraining };
struct EndNotice {
  EndReason reason = EndReason::kExpired;
  std::optional<Cursor> cursor;
};

using SubscriberMessage = std::variant<SnapshotPart, DeliveredEvents, PositionNotice, EndNotice>;

// A subscriber's stream. Called on the loop's thread; never blocks and never calls back from inside
// a call.
class SubscriberStream {
 public:
  virtual ~SubscriberStream() = default;
  // Writes one message; Written is due when the next may follow.
  virtual void Write(const SubscriberMessage& message) = 0;
  // Ends the stream after what was written; without an error, with success.
  virtual void End(std::optional<Error> error) = 0;
  // Ends the stream at once, whatever is under way: the subscriber does not read.
  virtual void Cancel() = 0;
};

// Replay reads pages at the pace of the subscriber and is never dropped; live delivery waits in a
// bounded queue and ends with LAGGED when that is full. The seam: once replay has reached the end
// of the log, the subscription joins the reader, unless that has gone on meanwhile; then it is told
// its position, and so that this was all of the past. A reader that finds a position lost, its own
// or a follower's, sends the follower back to replay, which finds out for itself where it stands.
//
// A server that a failover left behind does not have what the new primary has, and answers. So a
// position is lost when it was not there twice, and in between a commit was acknowledged.
//
// Runs on the loop's thread. The owner calls Written after each write, and destroys it when the
// stream is over. Invariants:
//  1. It writes every event after its start, in order, once, or ends with a reason.   (P8)
//  2. One write is under way at a time; what waits is bounded.   (P11)
class Subscription final : public LogFollower {
 public:
  struct Environment {
    EventLog& log;
    const OwnLink& link;
    Lane& lane;
    Scheduler& scheduler;
    const Clock& clock;
    CoordinatorSettings settings;
  };

  Subscription(const Environment& environment, std::string ns, SubscriptionStart start,
               std::shared_ptr<SubscriberStream> stream);
  ~Subscription() override;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  void Start();
  void Written();
  void Drain();

  void OnEvents(const EventBatch& events) override;
  void OnDetached() override;

 private:
  enum class Phase { kStarting, kReplay, kLive, kOver };

  void StartAtOldest();
  void StartWithSnapshot();
  void Begin(Position after, bool at_head);
  void ReplayOrJoin();
  void Read();
  void NotFound(Instant asked);
  void ReadAgainOnceProven();
  void Enqueue(SubscriberMessage message, size_t bytes);
  void WriteNext();
  void Finish();
  void End(EndReason reason);
  void Fail(Error error);
  void TellPositionRegularly();
  void TellPosition();
  Cursor At(Position position) const;

  // Wraps a continuation so that it does nothing once the subscription is gone.
  template <typename T>
  Then<T> IfStillHere(std::function<void(Result<T>)> then);

  const Environment env_;
  const std::string ns_;
  const SubscriptionStart start_;
  const std::shared_ptr<SubscriberStream> stream_;
  const std::shared_ptr<int> here_ = std::make_shared<int>();
  Phase phase_ = Phase::kStarting;
  // Up to where events were read for it, and up to where they were written.
  Position read_;
  // Nothing while a snapshot is not written to its end.
  std::optional<Position> written_;
  // The parts go around the queue's bounds: they are one answer, and bounded by the pods that live.
  std::deque<SnapshotPart> snapshot_;
  bool writing_ = false;
  bool replaying_ = false;
  // What was read last reached the end of the log.
  bool at_head_ = false;
  // When its position was asked for that was not there.
  std::optional<Instant> missed_;
  Instant last_write_{};
  BoundedQueue<SubscriberMessage> queue_;
  // Told once the write that is under way is done.
  std::optional<EndNotice> ending_;
  std::unique_ptr<Timer> position_timer_;
  std::unique_ptr<Timer> end_timer_;
  std::unique_ptr<Timer> proof_timer_;
};

}  // namespace vigil
