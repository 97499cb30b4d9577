// The network between the pods and the coordinators: connections that carry the messages of a
// Session stream in order, and single calls; with delay, loss and cuts.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "coordinator/pod_stream.h"
#include "sim/virtual_time.h"

namespace vigil::sim {

enum Way { kToCoordinator = 0, kToPod = 1 };

// The way between the place of a pod and the place of a coordinator. What is sent while it is cut
// waits, as TCP would send it again, and arrives after the cut; connections that wait for too long
// break.
class Path {
 public:
  Path(VirtualTime& time, Chance chance) : time_(time), chance_(chance) {}

  // Calls `arrive` (or does nothing, when it is destroyed before) when what is sent now arrives.
  void Carry(Way way, std::function<void()> arrive);

  void Cut(Way way);
  void Heal(Way way);
  // Every message takes up to so much longer.
  void Slow(Duration most);
  // Something that was under way on it is lost.
  void Trouble() { last_trouble_ = time_.Now(); }

  bool IsCut(Way way) const { return cut_[way]; }
  bool impaired() const { return cut_[0] || cut_[1] || slow_ > Duration::zero(); }
  // When the path was last impaired; now, if it is.
  Instant last_trouble() const { return impaired() ? time_.Now() : last_trouble_; }

 private:
  Duration Delay();

  VirtualTime& time_;
  Chance chance_;
  std::array<bool, 2> cut_{};
  Duration slow_{};
  Instant last_trouble_{};
  std::array<std::deque<std::function<void()>>, 2> waiting_;
};

// What is under way one way, in order: a token for each travels on the path.
class Pipe final : public std::enable_shared_from_this<Pipe> {
 public:
  Pipe(Path& path, Way way) : path_(path), way_(way) {}

  void Push(std::function<void()> happening);
  // What is under way is lost.
  void Lose() { under_way_.clear(); }
  bool stuck() const { return path_.IsCut(way_) && !under_way_.empty(); }

 private:
  Path& path_;
  const Way way_;
  std::deque<std::function<void()>> under_way_;
};

// The pod's end of a Session stream.
class PodEnd {
 public:
  virtual ~PodEnd() = default;
  virtual void Heard(const HostMessage& message) = 0;
  // The last call. Without an error of the coordinator's, the connection broke.
  virtual void Ended(const std::optional<Error>& told) = 0;
};

// What becomes of a session that no product code is told: a lease was granted, a heartbeat came,
// the end of the stream came.
enum class SessionMoment { kGranted, kHeard, kEnded };

// The coordinator's end of a Session stream, as it takes what arrives.
class HostEnd {
 public:
  virtual ~HostEnd() = default;
  virtual void Opened(const std::shared_ptr<PodStream>& stream) = 0;
  virtual void Received(const std::shared_ptr<PodStream>& stream, const PodMessage& message) = 0;
  virtual void Ended(const std::shared_ptr<PodStream>& stream) = 0;
  // For those who look on: what the coordinator has done or been told in a session just now.
  virtual void Witnessed(SessionNumber session, SessionMoment moment) = 0;
};

// One Session stream. The coordinator's end is the PodStream.
class Connection final : public PodStream, public std::enable_shared_from_this<Connection> {
 public:
  struct Ends {
    Machine& pod;
    std::shared_ptr<PodEnd> pod_end;
    // Null while nothing listens at the address.
    Machine* host;
    HostEnd* host_end;
  };

  Connection(VirtualTime& time, Path& path, Ends ends, Chance chance);

  // --- The pod's side.
  void Say(const PodMessage& message);
  // Says it as the last, and gives the coordinator so long to read it.
  void SayLast(const PodMessage& message, Duration linger);
  void Cancel();

  // --- PodStream, the coordinator's side.
  void Send(HostMessage message) override;
  void End(std::optional<Error> error) override;

  // --- Faults.
  // The process at that end is gone. `silently`: with its machine, so that nobody is told.
  void PodGone(bool silently);
  void HostGone(bool silently);
  // A reset reaches both ends; what is under way is lost.
  void Break();

  bool over() const { return pod_over_ && host_over_; }

 private:
  void Push(Way way, std::function<void()> happening);
  void WatchCut(Way way);
  void TellHostEnded();
  void TellPodEnded(const std::optional<Error>& told);

  VirtualTime& time_;
  Path& path_;
  Ends ends_;
  Chance chance_;
  std::array<std::shared_ptr<Pipe>, 2> pipes_;
  std::array<bool, 2> watching_{};
  // The session that the coordinator has told.
  SessionNumber session_;
  bool opened_ = false;
  bool pod_over_ = false;
  bool host_over_ = false;
  // The pod has told or was told the end, and says nothing more.
  bool pod_silent_ = false;
  bool host_silent_ = false;
};

}  // namespace vigil::sim
