// Events on their way to subscribers, shared by all who get the same.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/wire_forms.h"
#include "core/cursor.h"
#include "core/event_filter.h"
#include "core/types.h"

namespace vigil {

// What one message may have of events or pods on the wire, unless a single transaction or pod is
// larger. Far below the 4 MB that gRPC's libraries take by default.   (P11)
inline constexpr size_t kLargestDelivery = 1 << 20;

// About its bytes on the wire.
size_t BytesOf(const Event& event);

// The events of whole transactions that one filter chose, and the position after all of them.
//
// Invariant: what is made of it for the wire is made once, by the first who writes it, for all who
// get the same.
class Delivery {
 public:
  Delivery(std::vector<Event> events, Cursor cursor);

  const std::vector<Event>& events() const { return events_; }
  const Cursor& cursor() const { return cursor_; }
  // What it takes in memory, with one form that was made of it.
  size_t bytes() const { return bytes_; }

  // As `make` makes it. One thread at a time.
  template <typename Form>
  const Form& As(Form (*make)(const Delivery&)) const {
    return forms_.Of(*this, make);
  }

 private:
  const std::vector<Event> events_;
  const Cursor cursor_;
  const size_t bytes_;
  mutable WireForms forms_;
};

// Events as the reader got them: whole transactions of one log, in order, not empty.
class EventBatch {
 public:
  EventBatch(std::string ns, std::vector<Event> events);

  const std::vector<Event>& events() const { return events_; }
  Position end() const { return events_.back().position(); }
  size_t bytes() const { return bytes_; }

  // What comes after this position, which is in it; nothing when another event is there.
  std::shared_ptr<const EventBatch> After(Position position) const;

  // What the filter chooses of it, which may be nothing. One thread at a time.
  const std::shared_ptr<const Delivery>& For(const EventFilter& filter) const;

  // The same events in batches that are no larger than a delivery should be.
  static std::vector<std::shared_ptr<const EventBatch>> Split(const std::string& ns,
                                                              std::vector<Event> events);

 private:
  const std::string ns_;
  const std::vector<Event> events_;
  const size_t bytes_;
  mutable std::map<EventFilter, std::shared_ptr<const Delivery>> deliveries_;
};

}  // namespace vigil
