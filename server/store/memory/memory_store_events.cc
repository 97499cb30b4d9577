// How the event log is read.
#include "store/memory/memory_store.h"

namespace vigil::memory {

Position HeadOf(const NamespaceRow* space) {
  return space == nullptr || space->log.empty() ? Position{} : space->log.back().position();
}

namespace {

// Nothing is pruned here.
bool Has(const NamespaceRow* space, Position position) {
  if (!position.seq) return true;
  return space != nullptr && position.seq.value <= space->log.size() &&
         space->log[position.seq.value - 1].mark == position.mark;
}

}  // namespace

Result<std::vector<LogBounds>> MemoryStore::ReadBounds(const std::vector<std::string>& namespaces) {
  return Read<std::vector<LogBounds>>([&](Transaction& tx) {
    std::vector<LogBounds> bounds;
    for (const std::string& ns : namespaces)
      bounds.push_back({.head = HeadOf(tx.FindNamespace(ns))});
    return bounds;
  });
}

Result<EventPage> MemoryStore::ReadEvents(const std::string& ns, Position after, uint32_t limit) {
  return Read<EventPage>([&](Transaction& tx) {
    const NamespaceRow* space = tx.FindNamespace(ns);
    EventPage page{.expired = !Has(space, after), .head = HeadOf(space).seq};
    if (page.expired || space == nullptr) return page;
    for (size_t i = after.seq.value; i < space->log.size(); ++i) {
      const Event& event = space->log[i];
      page.events.push_back(event);
      if (page.events.size() >= limit && event.seq == event.transaction_end) break;
    }
    return page;
  });
}

}  // namespace vigil::memory
