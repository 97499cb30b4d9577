// The guarantees of the event stream, each as a check of what one subscriber was told against what
// the log has. They ask the product for no opinion.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "history/history.h"

namespace vigil::history {

// What a history may not exceed. Zero is no bound.   (P11)
struct Bounds {
  size_t snapshot_pods = 0;
  size_t events = 0;
  size_t bytes = 0;
  size_t transaction_events = 0;
  // How many events may have waited for a subscriber that had stalled when it was LAGGED.
  size_t backlog = 0;
  // Between two messages to one who reads, and from the last one to the end of the observation.
  Duration silence{};
};

// What histories are compared with.
struct Reference {
  // The log as it stands in the database, contiguous; with what the test remembers of it from
  // before it was pruned. Where it has nothing to say, events are judged by their numbers alone.
  std::vector<Event> log;
  // The first event that is retained. A log that was pruned does not say where one began who began
  // with its oldest event.
  Seq oldest{1};
  // The test took events from the log and left what they tell: snapshots are not judged by it.
  bool only_events = false;
  // By the end of the history everything up to here must have been told. Zero for no such demand.
  Seq through;
  // When the test stopped to look. Nothing when what came last may have come at any time.
  std::optional<Instant> until = std::nullopt;
  Bounds bounds;

  // The same log, read later: what it has lost since is remembered.
  void GoOn(const Reference& later);

  // Null when the log does not say.
  const Event* At(Seq seq) const;
  bool Knows(Seq seq) const { return At(seq) != nullptr; }
  // The events after the first and up to the second that pass, as far as the log says.
  std::vector<Seq> Passing(const EventFilter& filter, Seq after, Seq through) const;
};

// Sentences, the first few of them; empty when the guarantee was kept.
using Violations = std::vector<std::string>;

// Events come in the order of their numbers, over everything that one subscription is told.
Violations Ordered(const History& history, const Reference& reference);

// No event comes twice, unless the subscriber itself went back before it.
Violations Unique(const History& history, const Reference& reference);

// Between where a subscription began, or went on, and where it stands, no event that passes its
// filter is missing, nothing comes that does not pass, and each is what the log says that it is. A
// snapshot has the pods that live at its position.
Violations Reliable(const History& history, const Reference& reference);

// Every cursor stands at the end of a transaction, and the events of one are in one delivery.
Violations Atomic(const History& history, const Reference& reference);

// Whoever resumes after a cursor is told what comes right after it, and nothing that lies before.
Violations Resumable(const History& history, const Reference& reference);

// The cursor of a position is true: it is of the log, whatever passes the filter up to it was told,
// and it never goes back. The head is no less than it and no more than the log's; `oldest` is
// not beyond the event after it.
Violations Bookmarkable(const History& history, const Reference& reference);

// Every subscription that is followed by another one ended, and said why, unless the test broke it.
// Nothing comes after the end. LAGGED and DRAINING tell the position where the subscriber stands,
// if it has one. EXPIRED tells none, and only those who stand where the log does not go on from.
Violations Explicit(const History& history, const Reference& reference);

// No message, transaction, backlog and silence is beyond its bound.
Violations Bounded(const History& history, const Reference& reference);

// All of the above; each sentence begins with the name of its guarantee.
Violations Validate(const History& history, const Reference& reference);

}  // namespace vigil::history
