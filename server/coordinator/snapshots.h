// Snapshots of the living pods, for subscribers that begin from now.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/event_log.h"
#include "coordinator/subscriber_stream.h"
#include "core/event_filter.h"
#include "store/lane.h"

namespace vigil {

// The living pods of one namespace at one position of its log.
class Snapshot {
 public:
  // A part of it, and where the next one begins.
  struct Piece {
    std::shared_ptr<const SnapshotPart> part;
    size_t next = 0;
  };

  Snapshot(std::string ns, PodSnapshot read, Instant asked);

  Position head() const { return head_; }
  // Where the log stood.
  const LogReading& reading() const { return reading_; }

  // Those pods from `begin` on (0 at first) that the filter chooses, as many as a message should
  // have; the last piece has the cursor. Without a filter all get the same parts. One thread at a
  // time.
  Piece From(size_t begin, const EventFilter& filter) const;

 private:
  Piece Cut(size_t begin, const EventFilter& filter) const;

  const std::string ns_;
  const std::vector<Pod> pods_;
  const Position head_;
  const LogReading reading_;
  // Without a filter, by where they begin.
  mutable std::map<size_t, Piece> pieces_;
};

// One namespace's is read once at a time; those who ask meanwhile share the next one, and what is
// made of it for the wire. A subscriber that does not read keeps its own alive, so there are not
// more than kMost: then one is used again, however old it is, since whoever gets it gets every
// event after it, too.   (P11)
//
// Runs on the log's thread.
class Snapshots {
 public:
  using Shared = std::shared_ptr<const Snapshot>;

  static constexpr size_t kMost = 16;

  Snapshots(Lane& lane, Scheduler& scheduler, const Clock& clock)
      : lane_(lane), scheduler_(scheduler), clock_(clock) {}

  // `then` is called once, later. Errors: those of the store, and LIMIT_REACHED when all that there
  // may be are of other namespaces.
  void Get(const std::string& ns, Then<Shared> then);

 private:
  struct Entry {
    bool reading = false;
    // For the next one.
    std::vector<Then<Shared>> waiting;
    std::weak_ptr<const Snapshot> latest;
  };

  void Read(const std::string& ns);
  void DropOld();

  Lane& lane_;
  Scheduler& scheduler_;
  const Clock& clock_;
  std::map<std::string, Entry> entries_;
  std::vector<std::weak_ptr<const Snapshot>> alive_;
};

}  // namespace vigil
