// The coordinators.
#include "store/memory/memory_store.h"

namespace vigil::memory {

Result<void> MemoryStore::AddCoordinator(CoordinatorNumber coordinator, const std::string& address,
                                         Duration trust_window) {
  return Change<void>([&](Transaction& tx) -> Result<void> {
    tx.tables().coordinators.try_emplace(
        coordinator,
        CoordinatorRow{.address = address, .trust_window = trust_window, .started_at = tx.now()});
    return {};
  });
}

Result<Renewal> MemoryStore::RenewCoordinator(CoordinatorNumber coordinator,
                                              const std::vector<SessionNumber>& handled) {
  return Change<Renewal>([&](Transaction& tx) -> Result<Renewal> {
    if (auto alive = tx.RequireAlive(coordinator); !alive) return Fail(alive.error());
    auto& taken = tx.tables().coordinators.at(coordinator).taken;
    for (SessionNumber session : handled) taken.erase(session);
    return Renewal{.taken = {taken.begin(), taken.end()}};
  });
}

Result<void> MemoryStore::RemoveCoordinator(CoordinatorNumber coordinator) {
  return Change<void>([&](Transaction& tx) -> Result<void> {
    auto row = tx.tables().coordinators.find(coordinator);
    if (row != tx.tables().coordinators.end() && row->second.state == CoordinatorState::kAlive) {
      row->second.state = CoordinatorState::kLeft;
      row->second.ended_at = tx.now();
    }
    return {};
  });
}

Result<std::vector<CoordinatorNumber>> MemoryStore::GiveUpCoordinators(
    const Observer& observer, const std::vector<CoordinatorNumber>& coordinators) {
  using Numbers = std::vector<CoordinatorNumber>;
  return Change<Numbers>([&](Transaction& tx) -> Result<Numbers> {
    if (auto fit = tx.RequireFit(observer); !fit) return Fail(fit.error());
    Numbers given_up;
    for (CoordinatorNumber number : coordinators) {
      auto row = tx.tables().coordinators.find(number);
      if (row == tx.tables().coordinators.end()) continue;
      if (row->second.state != CoordinatorState::kAlive) continue;
      if (!tx.IsFree(LockKind::kCoordinator, number.value)) continue;
      row->second.state = CoordinatorState::kDead;
      row->second.ended_at = tx.now();
      given_up.push_back(number);
    }
    return given_up;
  });
}

}  // namespace vigil::memory
