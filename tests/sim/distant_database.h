// The database as one coordinator reaches it: over a network that delays, loses and is cut.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/virtual_time.h"
#include "store/database.h"
#include "store/lane.h"
#include "store/memory/engine.h"

namespace vigil::sim {

// The server's side, for all coordinators.
struct DatabaseServer {
  std::shared_ptr<memory::Engine> engine;
  bool down = false;
  Duration idle_session_timeout = std::chrono::seconds(3);
  // The process at the other end of each session.
  std::map<Backend, const Machine*> clients;
};

// The way between one coordinator and the database.
struct DatabaseRoute {
  bool requests_cut = false;
  bool answers_cut = false;
  // The coordinator is left alone with the former primary, which answers pings and holds the locks
  // that it held, and whose commits wait for a standby that does not come.
  bool former_primary = false;
  // No wake-up comes.
  bool deaf = false;
  // The next commit loses its answer.
  std::optional<memory::LostAnswer> lose_next_answer;
  // Before each transaction of the probe the coordinator's own session ends.
  bool own_session_ends_at_probe = false;
};

// What both kinds of links below know. The database carries out what reached it even when the
// process that asked is frozen, or gone.
struct DatabaseLink {
  VirtualTime& time;
  Machine& machine;
  DatabaseServer& server;
  std::shared_ptr<DatabaseRoute> route;
  Chance chance;

  // One way.
  Duration Delay();
  bool CannotAsk() const { return route->requests_cut || route->former_primary; }
};

// Liveness sessions and wake-ups. The objects it hands out stay harmless when their process has
// been killed.
class DistantDatabase final : public Database {
 public:
  explicit DistantDatabase(DatabaseLink link) : link_(std::move(link)) {}

  // For lanes only, which set the fate of each transaction.
  std::unique_ptr<Store> OpenStore(Duration deadline) override;
  void OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) override;
  std::unique_ptr<LogListener> Listen(WakeUp wake_up) override;

  // The network or the server is back: wake-ups may have been missed.
  void Reconnected();

 private:
  DatabaseLink link_;
  uint64_t opened_ = 0;
  std::weak_ptr<WakeUp> listening_;
};

// One transaction after another, each of them a request that travels, is carried out, and is
// answered.
class DistantLane final : public Lane {
 public:
  DistantLane(DatabaseLink link, std::string name);

  bool Enqueue(std::function<void(Store&)> work) override;
  const std::string& name() const override { return name_; }

  size_t longest_queue() const { return longest_queue_; }
  // The process is gone; what reached the database is carried out all the same.
  void Kill() { queue_.clear(); }

 private:
  using Work = std::function<void(Store&)>;

  void ServeNext();
  void CarryOut(const Work& work);
  // Fails the work after `delay`, without having changed anything.
  void FailAfter(Duration delay, const Work& work);
  void FreeAfter(Duration delay);

  DatabaseLink link_;
  const std::string name_;
  const std::shared_ptr<memory::Link> fate_ = std::make_shared<memory::Link>();
  const std::unique_ptr<Store> store_;
  std::deque<Work> queue_;
  size_t longest_queue_ = 0;
  bool busy_ = false;
};

}  // namespace vigil::sim
