// An event log as one subscriber sees it, kept for a test to look at.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "history/history.h"
#include "vigil/client.h"
#include "vigil/event.h"
#include "vigil/subscription.h"

namespace vigil {

// Owns a subscription, and keeps the history of what it was told. Thread safety:
// everything may be called from any thread.
class EventRecorder {
 public:
  struct Seen {
    client::Event event;
    // When it arrived.
    Instant at;
  };

  EventRecorder(const client::Client& client, std::string ns,
                client::SubscriptionStart start = client::FromOldest{},
                Duration idle_timeout = std::chrono::seconds(15));
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // Waits for the first message, or for the end. True when it was a message.
  bool AwaitStart(Duration within);

  // The first event that matches, as soon as it is there. Nothing when there was none within this
  // time.
  using Match = std::function<bool(const client::Event&)>;
  std::optional<Seen> Await(const Match& matches, Duration within);
  // Waits for the event with this number.
  bool AwaitSeq(client::Seq seq, Duration within);

  std::vector<client::Event> Events() const;
  size_t Count(const Match& matches) const;
  std::vector<client::Pod> Snapshot() const;
  // The position after all that came.
  std::optional<client::Cursor> LastCursor() const;
  std::optional<client::Error> ended() const;
  history::History History() const;

 private:
  void Change(const std::function<void()>& change);
  // Called with the lock held.
  template <typename What>
  void Note(What what);
  void NoteOver(const client::Error& why);
  Position PositionAt(const client::Cursor& cursor) const;

  const std::string ns_;
  const client::SubscriptionStart start_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool started_ = false;
  std::vector<client::Pod> snapshot_;
  std::vector<Seen> seen_;
  std::optional<client::Cursor> cursor_;
  std::optional<client::Error> ended_;
  history::History history_;

  client::Subscription subscription_;  // last: its callbacks use everything above
};

// What to wait for.
EventRecorder::Match Of(client::EventKind kind);
EventRecorder::Match Of(client::EventKind kind, std::string pod_name);
EventRecorder::Match Of(client::EventKind kind, client::Incarnation incarnation);
EventRecorder::Match Claimed(std::string work_key);

}  // namespace vigil
