#include "app/measuring.h"

#include <utility>

#include "access/rights.h"

namespace vigil {
namespace {

constexpr Duration kShowInterval = std::chrono::milliseconds(100);

std::vector<Metrics::RpcName> RpcNames() {
  std::vector<Metrics::RpcName> names;
  for (const Right& right : Rights()) {
    const bool stream = right.rpc == Rpc::kSession || right.rpc == Rpc::kSubscribe;
    names.push_back({right.name, !stream});
  }
  return names;
}

}  // namespace

Measuring::Measuring(const Clock& clock, const Database& database, std::function<bool()> ready)
    : metrics_({.clock = clock,
                .version = VIGIL_VERSION,
                .ready = std::move(ready),
                .queues = [this] { return Queues(); },
                .open_connections = [&database] { return database.OpenConnections(); }},
               RpcNames()) {}

std::vector<QueueReading> Measuring::Queues() const {
  std::vector<QueueReading> queues;
  for (const ThreadLane* lane : lanes_) {
    queues.push_back({lane->name(), lane->waiting(), lane->limit(), lane->under_way()});
  }
  return queues;
}

void Measuring::ShowCoordinator(Scheduler& loop, const Coordinator& coordinator) {
  metrics_.Show(coordinator.standing());
  timer_ = loop.After(kShowInterval, [&] { ShowCoordinator(loop, coordinator); });
}

void Measuring::ShowLog(Scheduler& log_loop, const Coordinator& coordinator) {
  metrics_.Show(coordinator.log_standing());
  log_timer_ = log_loop.After(kShowInterval, [&] { ShowLog(log_loop, coordinator); });
}

Resource Measuring::resource() const {
  return {"/metrics", [this](const ResourceRequest&, const Resource::Reply& reply) {
            reply({.body = metrics_.Text(),
                   .content_type = "text/plain; version=0.0.4; charset=utf-8"});
          }};
}

}  // namespace vigil
