// A process of an application: it keeps one incarnation alive after another, works, follows the
// log, and claims what the dead have left.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "sim/plan.h"
#include "sim/pod_life.h"
#include "sim/simulated_follower.h"

namespace vigil::sim {

// A change of an item that only its owner, or whoever starts it, may ask for.
struct WorkRequest {
  enum class Kind { kStart, kFail, kTransfer };
  Kind kind = Kind::kStart;
  std::string key;
  Incarnation caller;
  // Of a start: none.
  Fence fence;
  // Of a transfer.
  std::string to_name;
  auto operator<=>(const WorkRequest&) const = default;
};

class SimulatedPod {
 public:
  struct Place {
    VirtualTime& time;
    Surroundings& around;
    int place = 0;
    Plan::Pod wanted;
    Chance chance;
    // What its follower was told of one subscription, when that is over.
    std::function<void(const history::History&)> on_subscription;
    // It found itself LOST, and still is what it was.
    std::function<void(const SimulatedPod&)> on_lost;
    // It asks for this now; whether that is ever carried out is another matter.
    std::function<void(const WorkRequest&)> on_request;
  };

  explicit SimulatedPod(Place place);

  Machine& machine() { return machine_; }
  const Machine& machine() const { return machine_; }
  // Null between two of them.
  const PodLife* life() const { return life_.get(); }
  const SimulatedFollower& follower() const { return follower_; }
  int place() const { return place_.place; }
  const std::string& name() const { return place_.wanted.name; }

  // The incarnation of this pod that might still work, by its number. Null otherwise.
  const PodLife* LifeOf(Incarnation incarnation) const;

  // The process ends: it runs nothing any more.
  void Kill();
  // Stops its work, says farewell, and ends.
  void Leave();
  bool gone() const { return machine_.dead() || gone_; }
  // The application does nothing for a while, and its process goes on.
  void Hang() { hung_ = true; }
  void GoOn() { hung_ = false; }
  bool hung() const { return hung_; }
  void BreakFollower() { follower_.Break(); }
  void StallFollower() { follower_.Stall(); }
  void LetFollowerRead() { follower_.ReadOn(); }

 private:
  void Begin();
  void Changed();
  void Settle();
  bool Working();
  void WorkRegularly();
  void Start();
  WorkTraits DrawTraits();
  void GoOn(const std::string& key);
  // Completes it, or gives it up in one way or another.
  void Finish(const std::string& key);
  // As an operator does that has looked at what the owners died of.
  void ReleaseSomeQuarantined();
  // Claims what the dead have left.
  void Sweep();
  void Claim(const WorkItem& item);
  void Took(const std::string& key, Fence fence);
  void Heard(const std::vector<Event>& events);

  // A call to the coordinator that hosts the pod, or to another one. `then` is not called when the
  // answer is lost, or comes to a later incarnation.
  template <typename T>
  void Call(std::function<Result<T>(Store&)> work, Then<T> then);

  const Place place_;
  Machine machine_;
  const PodSite site_;
  Chance chance_;
  std::unique_ptr<PodLife> life_;
  uint64_t lives_ = 0;
  SimulatedFollower follower_;
  std::map<std::string, Fence> held_;
  // The one that it last heard of.
  std::string neighbour_;
  uint64_t started_ = 0;
  uint64_t steps_ = 0;
  bool leaving_ = false;
  bool gone_ = false;
  bool settling_ = false;
  bool hung_ = false;
  std::unique_ptr<Timer> work_timer_;
  std::unique_ptr<Timer> life_timer_;
};

}  // namespace vigil::sim
