// How the event log is read.
#include "store/memory/memory_store.h"

namespace vigil::memory {
namespace {

// Nothing is pruned here.
LogBounds BoundsOf(const NamespaceRow* space) {
  return {.oldest = Seq{1}, .head = Seq{space == nullptr ? 0 : space->log.size()}};
}

}  // namespace

Result<std::vector<LogBounds>> MemoryStore::ReadBounds(const std::vector<std::string>& namespaces) {
  return Read<std::vector<LogBounds>>([&](Transaction& tx) {
    std::vector<LogBounds> bounds;
    for (const std::string& ns : namespaces) bounds.push_back(BoundsOf(tx.FindNamespace(ns)));
    return bounds;
  });
}

Result<EventPage> MemoryStore::ReadEvents(const std::string& ns, Seq after, uint32_t limit) {
  return Read<EventPage>([&](Transaction& tx) {
    const NamespaceRow* space = tx.FindNamespace(ns);
    EventPage page{.bounds = BoundsOf(space)};
    if (space == nullptr) return page;
    for (size_t i = after.value; i < space->log.size(); ++i) {
      const Event& event = space->log[i];
      page.events.push_back(event);
      if (page.events.size() >= limit && event.seq == event.transaction_end) break;
    }
    return page;
  });
}

}  // namespace vigil::memory
