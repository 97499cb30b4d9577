// How the event log is read.
#include "store/memory/memory_store.h"

namespace vigil::memory {

Position HeadOf(const NamespaceRow* space) {
  return space == nullptr || space->log.empty() ? Position{} : space->log.back().position();
}

namespace {

bool Has(const NamespaceRow* space, Position position) {
  if (space == nullptr) return !position.seq;
  if (position.seq.value < space->oldest.value - 1 || position.seq > space->head()) return false;
  return !position.seq || space->At(position.seq).mark == position.mark;
}

Position StartOf(const NamespaceRow* space) {
  if (space == nullptr || space->oldest == Seq{1}) return {};
  return space->At(Seq{space->oldest.value - 1}).position();
}

}  // namespace

Result<std::vector<LogBounds>> MemoryStore::ReadBounds(const std::vector<std::string>& namespaces) {
  return Read<std::vector<LogBounds>>([&](Transaction& tx) {
    std::vector<LogBounds> bounds;
    for (const std::string& ns : namespaces) {
      const NamespaceRow* space = tx.FindNamespace(ns);
      bounds.push_back({.start = StartOf(space), .head = HeadOf(space)});
    }
    return bounds;
  });
}

Result<EventPage> MemoryStore::ReadEvents(const std::string& ns, Position after, uint32_t limit) {
  return Read<EventPage>([&](Transaction& tx) {
    const NamespaceRow* space = tx.FindNamespace(ns);
    EventPage page{.expired = !Has(space, after),
                   .oldest = space == nullptr ? Seq{1} : space->oldest,
                   .head = HeadOf(space).seq};
    if (page.expired || space == nullptr) return page;
    for (size_t i = after.seq.value - space->forgotten; i < space->log.size(); ++i) {
      const Event& event = space->log[i];
      page.events.push_back(event);
      if (page.events.size() >= limit && event.seq == event.transaction_end) break;
    }
    return page;
  });
}

}  // namespace vigil::memory
