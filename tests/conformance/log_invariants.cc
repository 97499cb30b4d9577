#include "conformance/log_invariants.h"

#include <map>
#include <optional>

namespace vigil {
namespace {

struct PodHistory {
  std::string name;
  PodState state = PodState::kAlive;
  bool living() const { return state == PodState::kAlive || state == PodState::kSuspect; }
};

struct WorkHistory {
  Fence fence;
  Incarnation owner;
  // Not known until the first event: the start of an item is none.
  bool owner_known = false;
  bool released = false;
  bool completed = false;
  bool quarantined = false;
};

class Replay {
 public:
  explicit Replay(const Transfers& transfers) : transfers_(transfers) {}

  void Apply(const Event& event);
  void CompareWith(const std::vector<Pod>& pods);
  void CompareWith(const std::vector<WorkItem>& items);

  std::vector<std::string> violations;

 private:
  void Number(const Event& event);
  void Register(const Event& event);
  void ChangePod(const Event& event, PodHistory& pod);
  void ChangeWork(const Event& event);
  void Claim(const Event& event, WorkHistory& work);
  void ReleaseQuarantined(const Event& event);
  void Violate(const std::string& what) { violations.push_back(what); }

  const Transfers& transfers_;
  Seq last_;
  Seq transaction_end_;
  std::map<Incarnation, PodHistory> pods_;
  std::map<std::string, Incarnation> living_;
  std::map<std::string, WorkHistory> work_;
};

std::string At(const Event& event) { return "event " + std::to_string(event.seq.value) + ": "; }
std::string Text(Incarnation incarnation) { return std::to_string(incarnation.value); }

void Replay::Number(const Event& event) {
  if (event.seq.value != last_.value + 1) {
    Violate(At(event) + "follows " + std::to_string(last_.value));
  }
  bool begins = last_ == transaction_end_;
  if (begins ? event.transaction_end < event.seq : event.transaction_end != transaction_end_) {
    Violate(At(event) + "has the transaction end " + std::to_string(event.transaction_end.value));
  }
  last_ = event.seq;
  transaction_end_ = event.transaction_end;
}

void Replay::Register(const Event& event) {
  auto [pod, added] = pods_.try_emplace(event.incarnation, PodHistory{.name = event.pod_name});
  if (!added) Violate(At(event) + Text(event.incarnation) + " registers again");
  auto [living, alone] = living_.try_emplace(event.pod_name, event.incarnation);
  if (!alone) Violate(At(event) + Text(living->second) + " of the same name lives");
}

void Replay::ChangePod(const Event& event, PodHistory& pod) {
  switch (event.kind) {
    case EventKind::kPodSuspected:
      pod.state = PodState::kSuspect;
      break;
    case EventKind::kPodRefuted:
      if (pod.state != PodState::kSuspect) Violate(At(event) + "refutes no suspicion");
      pod.state = PodState::kAlive;
      break;
    case EventKind::kPodDied:
    case EventKind::kPodLeft:
      pod.state = event.kind == EventKind::kPodDied ? PodState::kDead : PodState::kLeft;
      living_.erase(pod.name);
      break;
    default:
      break;
  }
}

void Replay::Claim(const Event& event, WorkHistory& work) {
  auto previous = pods_.find(event.previous_owner);
  const bool given = transfers_.contains({event.work_key, event.fence});
  if (event.previous_owner && (previous == pods_.end() || previous->second.living() != given)) {
    Violate(At(event) + event.work_key + " is taken from " + Text(event.previous_owner) +
            ", which has not ended");
  }
  if (!event.previous_owner && work.owner_known && !work.released) {
    Violate(At(event) + event.work_key + " is claimed from nobody, and was not released");
  }
  if (work.owner_known && event.previous_owner != work.owner) {
    Violate(At(event) + event.work_key + " belonged to " + Text(work.owner));
  }
  if (event.fence <= work.fence || event.fence.value < 2) {
    Violate(At(event) + "the fence of " + event.work_key + " does not grow");
  }
  work.owner = event.incarnation;
  work.released = false;
}

void Replay::ChangeWork(const Event& event) {
  WorkHistory& work = work_[event.work_key];
  if (work.completed) Violate(At(event) + event.work_key + " was completed");
  if (work.quarantined) Violate(At(event) + event.work_key + " is quarantined");
  if (event.kind == EventKind::kWorkClaimed) {
    Claim(event, work);
  } else {
    bool its_owner = !work.owner_known || work.owner == event.incarnation;
    if (!its_owner || event.fence < work.fence) Violate(At(event) + "not by the owner");
    work.released = event.kind == EventKind::kWorkReleased;
    work.completed = event.kind == EventKind::kWorkCompleted;
    work.quarantined = event.kind == EventKind::kWorkQuarantined;
    work.owner = work.completed ? event.incarnation : Incarnation{};
  }
  work.owner_known = true;
  work.fence = event.fence;
}

// By an operator, and not by a pod.
void Replay::ReleaseQuarantined(const Event& event) {
  WorkHistory& work = work_[event.work_key];
  const bool orphan = !work.owner_known || (work.owner && !pods_[work.owner].living());
  if ((!work.quarantined && !orphan) || event.fence < work.fence) {
    Violate(At(event) + event.work_key + " was neither quarantined nor an orphan");
  }
  work.quarantined = false;
  work.released = true;
  work.owner = {};
  work.owner_known = true;
  work.fence = event.fence;
}

void Replay::Apply(const Event& event) {
  Number(event);
  if (event.kind == EventKind::kPodRegistered) return Register(event);
  if (event.kind == EventKind::kWorkReleased && !event.incarnation) {
    return ReleaseQuarantined(event);
  }
  auto pod = pods_.find(event.incarnation);
  if (pod == pods_.end()) return Violate(At(event) + "its incarnation never registered");
  if (pod->second.name != event.pod_name) Violate(At(event) + "has the name of another pod");
  // What the dead have left is quarantined later, and told of them.
  if (!pod->second.living() && event.kind != EventKind::kWorkQuarantined) {
    Violate(At(event) + Text(event.incarnation) + " has ended before");
  }
  if (event.work_key.empty()) {
    ChangePod(event, pod->second);
  } else {
    ChangeWork(event);
  }
}

void Replay::CompareWith(const std::vector<Pod>& pods) {
  if (pods.size() != pods_.size()) Violate("not every pod has a registration in the log");
  for (const Pod& pod : pods) {
    if (pods_[pod.incarnation].state != pod.state) {
      Violate(Text(pod.incarnation) + " is not in the state of its last event");
    }
  }
}

void Replay::CompareWith(const std::vector<WorkItem>& items) {
  for (const WorkItem& item : items) {
    auto work = work_.find(item.key);
    if (work == work_.end()) {
      if (item.fence != Fence{1} || item.state != WorkState::kOwned) {
        Violate(item.key + " changed without an event");
      }
      continue;
    }
    if (work->second.fence != item.fence || work->second.owner != item.owner ||
        work->second.completed != (item.state == WorkState::kCompleted) ||
        work->second.quarantined != (item.state == WorkState::kQuarantined)) {
      Violate(item.key + " is not what its last event says");
    }
    bool owner_ended = item.owner && !pods_[item.owner].living();
    if (item.orphan != (item.state == WorkState::kOwned && owner_ended)) {
      Violate(item.key + " is an orphan or is none, against the state of its owner");
    }
  }
}

}  // namespace

std::vector<std::string> LogViolations(const std::vector<Event>& events,
                                       const std::vector<Pod>& pods,
                                       const std::vector<WorkItem>& items,
                                       const Transfers& transfers) {
  Replay replay(transfers);
  for (const Event& event : events) replay.Apply(event);
  if (!events.empty() && events.back().seq != events.back().transaction_end) {
    replay.violations.push_back("the log ends within a transaction");
  }
  replay.CompareWith(pods);
  replay.CompareWith(items);
  return std::move(replay.violations);
}

}  // namespace vigil
