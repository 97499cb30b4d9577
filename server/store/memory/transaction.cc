#include "store/memory/transaction.h"

#include <iterator>

#include "core/errors.h"

namespace vigil::memory {

Transaction::Transaction(Server& server, Tables& tables)
    : server_(server), tables_(tables), now_{++server.transactions} {
  if (server.wall_clock) now_ = server.wall_clock();
}

bool Transaction::IsFree(LockKind kind, uint64_t number) const {
  return !server_.locks.contains(LockKey{kind, number});
}

Result<void> Transaction::RequireAlive(CoordinatorNumber coordinator) const {
  auto row = tables_.coordinators.find(coordinator);
  if (row == tables_.coordinators.end() || row->second.state != CoordinatorState::kAlive) {
    return Fail(CoordinatorUntrusted("the coordinator's row is not ALIVE"));
  }
  return {};
}

Result<void> Transaction::RequireFit(const Observer& observer) const {
  if (auto alive = RequireAlive(observer.number); !alive) return alive;
  auto lock = server_.locks.find(LockKey{LockKind::kCoordinator, observer.number.value});
  if (lock == server_.locks.end() || lock->second.holder != observer.backend) {
    return Fail(CoordinatorUntrusted("the observer's lock is not held by its backend"));
  }
  if (!observer.identity.empty() && observer.identity != server_.identity) {
    return Fail(CoordinatorUntrusted("the database's locks are not those that were probed"));
  }
  return {};
}

NamespaceRow* Transaction::FindNamespace(const std::string& ns) {
  auto row = tables_.namespaces.find(ns);
  return row == tables_.namespaces.end() ? nullptr : &row->second;
}

PodRow* Transaction::FindPod(const std::string& ns, Incarnation incarnation) {
  NamespaceRow* space = FindNamespace(ns);
  if (space == nullptr) return nullptr;
  auto row = space->pods.find(incarnation);
  return row == space->pods.end() ? nullptr : &row->second;
}

Event& Transaction::Append(EventKind kind, const Pod& pod, Cause cause) {
  NamespaceRow& space = tables_.namespaces.at(pod.ns);
  first_events_.try_emplace(pod.ns, space.log.size());
  return space.log.emplace_back(Event{.seq = Seq{space.head().value + 1},
                                      .mark = Mark{server_.random() | 1},
                                      .kind = kind,
                                      .pod_name = pod.name,
                                      .incarnation = pod.incarnation,
                                      .cause = cause,
                                      .occurred_at = now_,
                                      .pod_labels = pod.labels});
}

void Transaction::Close(const std::string& ns, size_t first) {
  auto& log = tables_.namespaces.at(ns).log;
  for (size_t i = first; i < log.size(); ++i) log[i].transaction_end = log.back().seq;
}

WrittenEvents Transaction::Written(const std::string& ns) {
  const auto written = first_events_.find(ns);
  if (written == first_events_.end()) return {};
  Close(ns, written->second);
  const auto& log = tables_.namespaces.at(ns).log;
  const auto first = log.begin() + static_cast<std::ptrdiff_t>(written->second);
  return {.before = first == log.begin() ? Position{} : std::prev(first)->position(),
          .events = {first, log.end()}};
}

std::vector<LogHead> Transaction::Commit() {
  std::vector<LogHead> heads;
  for (const auto& [ns, first] : first_events_) {
    Close(ns, first);
    heads.push_back({ns, tables_.namespaces.at(ns).log.back().seq});
  }
  return heads;
}

}  // namespace vigil::memory
