#include "history/from_client.h"

#include "core/cursor.h"

namespace vigil::history {
namespace {

// The library's enumerations have a first value for what is unknown.
EventKind KindOf(client::EventKind kind) {
  return static_cast<EventKind>(static_cast<int>(kind) - 1);
}
static_assert(static_cast<int>(client::EventKind::kPodRegistered) - 1 ==
              static_cast<int>(EventKind::kPodRegistered));
static_assert(static_cast<int>(client::EventKind::kWorkCompleted) - 1 ==
              static_cast<int>(EventKind::kWorkCompleted));

Cause CauseOf(client::Cause cause) { return static_cast<Cause>(cause); }
static_assert(static_cast<int>(client::Cause::kNone) == static_cast<int>(Cause::kNone));
static_assert(static_cast<int>(client::Cause::kSuperseded) == static_cast<int>(Cause::kSuperseded));

}  // namespace

Position FromClient(const client::Cursor& cursor, const std::string& ns) {
  const auto parsed = ParseCursor(cursor.text(), ns);
  return parsed ? parsed->position : Position{};
}

Start FromClient(const client::SubscriptionStart& start, const std::string& ns) {
  if (const auto* after = std::get_if<client::Cursor>(&start)) return FromClient(*after, ns);
  if (std::holds_alternative<client::FromOldest>(start)) return FromOldest{};
  return FromNow{};
}

Event FromClient(const client::Event& told) {
  Event event;
  event.seq = Seq{told.seq.value()};
  event.kind = KindOf(told.kind);
  event.pod_name = told.pod_name;
  event.incarnation = Incarnation{told.incarnation.value()};
  event.cause = CauseOf(told.cause);
  event.orphans = told.orphans;
  event.work_key = told.work_key;
  event.fence = Fence{told.fence.value()};
  event.previous_owner = Incarnation{told.previous_owner.value()};
  return event;
}

}  // namespace vigil::history
