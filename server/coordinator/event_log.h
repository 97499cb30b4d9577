// This coordinator's reader of the event logs: one for all its subscribers.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/commit_proof.h"
#include "coordinator/delivery.h"
#include "coordinator/settings.h"
#include "coordinator/standing.h"
#include "core/health.h"
#include "core/measures.h"
#include "store/database.h"
#include "store/lane.h"

namespace vigil {

// What was last known of a log's bounds, and when that was asked.
struct LogReading {
  Seq oldest;
  Seq head;
  Instant at{};
};

// One who follows a namespace's log live.
class LogFollower {
 public:
  virtual ~LogFollower() = default;
  // The events right after those before. May detach any follower.
  virtual void OnEvents(const std::shared_ptr<const EventBatch>& batch) = 0;
  // The log does not have the reader's position any more, or not this follower's. This follower is
  // detached; its own position may be lost or not.
  virtual void OnDetached() = 0;
};

// Reads the logs that somebody follows: when woken (by the database, or by this coordinator's own
// commits) and at a slow poll, which covers every lost wake-up. Verdicts on the host's own evidence
// need not be read: they are served as they were committed. One reading at a time, each log in its
// turn.
//
// While the database is away it goes on asking at the pace of the poll, for ever. It has given up
// only when a reading never came back, in spite of its deadline.
//
// Runs on the log's thread, its reading in a lane of its own.
// Invariants:
//  1. What a follower gets begins right after the position at which it attached, contiguous and in
//  order, and all of one and the same log: after commits were lost, a position that was lost with
//  them is not gone on from.   (P4, P8)
class EventLog {
 public:
  struct Environment {
    Database& database;
    Lane& lane;
    Scheduler& scheduler;
    const Clock& clock;
    const CommitProof& proof;
    Measures& measures;
  };

  EventLog(const Environment& environment, const CoordinatorSettings& settings);

  void Start();

  // There may be something new.
  void Wake();

  // These events were just committed here, in one transaction. Those who follow get them at once if
  // they are the very next; otherwise they are read in their turn.   (P4)
  void Committed(const std::string& ns, const WrittenEvents& written);

  // Follows from `after`, where `reading` led the follower, if the reader is there, or a little
  // further, or `after` is ahead of it. Returns what the reader has served since. Nothing when the
  // reader is too far, so that the gap must be read first.
  using Batches = std::deque<std::shared_ptr<const EventBatch>>;
  [[nodiscard]] std::optional<Batches> Attach(const std::string& ns, Position after,
                                              const LogReading& reading, LogFollower* follower);
  void Detach(const std::string& ns, LogFollower* follower);

  // Of a followed namespace.
  LogReading LastReading(const std::string& ns) const;

  // Whether silence means that nothing happens: commits are acknowledged, and what is followed is
  // read.
  bool Readable() const;
  // Whether the reader waits for something that should have ended long ago.
  bool GaveUp() const;
  // Both.
  LogHealth Health() const { return {Readable(), GaveUp()}; }

  // What concerns subscribers is left out.
  LogStanding standing() const;

 private:
  struct Feed {
    Position position;
    LogReading reading;
    // When the last reading was asked that came to its end.
    Instant read_to_end{};
    // Waits for its turn to be read.
    bool wanted = false;
    // What was served last, each with the position before it: a log that is written without rest
    // would else be gone on from before anybody who replays can join.
    std::deque<std::pair<Position, std::shared_ptr<const EventBatch>>> recent;
    size_t recent_bytes = 0;
    // Each with the position up to which it has been served, which may be ahead of the reader's.
    std::map<LogFollower*, Position> followers;
  };

  void PollRegularly();
  void Heard(const LogHead& head);
  void Want(const std::string& ns, Feed& feed);
  void ReadOn();
  // Wants those logs that have something new. With many, their heads tell in one round trip.
  void Look();
  void ReadEvents(const std::string& ns, Position after);
  // What was asked at `asked` was answered, or failed.
  void Answered(Instant asked, const Error* error);
  void Took(const std::string& ns, Position after, const EventPage& page, Instant asked);
  // Those of whom this is true.
  void LetGo(const std::string& ns, const std::function<bool(const Position& served)>& lost);
  static void Remember(Feed& feed, const std::shared_ptr<const EventBatch>& batch);
  static std::optional<Batches> Since(const Feed& feed, Position after);
  void Serve(const std::string& ns, const std::vector<Event>& events);
  void Serve(const std::string& ns, const std::shared_ptr<const EventBatch>& batch);

  const Environment env_;
  const Duration poll_interval_;
  const Duration unread_;
  const Duration give_up_;
  std::map<std::string, Feed> feeds_;
  // Since when a reading is under way.
  std::optional<Instant> reading_since_;
  // When the last one was asked that was answered.
  Instant answered_{};
  bool failing_ = false;
  // What is to be done, in turn, so that no wake-up keeps another one waiting: read this log, or
  // (nothing) look which ones have something new.
  std::deque<std::optional<std::string>> wanted_;
  bool look_wanted_ = false;
  std::unique_ptr<LogListener> listener_;
  std::unique_ptr<Timer> poll_timer_;
};

}  // namespace vigil
