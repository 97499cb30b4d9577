// One incarnation of a pod: the real rules of its lease, over simulated streams.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "lease_keeper.h"
#include "sim/simulated_coordinator.h"
#include "standing_cell.h"

namespace vigil::sim {

// All pods are of one namespace.
inline constexpr char kNamespace[] = "default";

// What is around a pod.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual int addresses() const = 0;
  // Whether pods know one address for all of these.
  virtual bool one_address() const = 0;
  // The process that listens there; null when none does.
  virtual SimulatedCoordinator* At(int address) = 0;
  virtual Path& PathOf(int pod, int address) = 0;
  // When something last came between this pod and the coordinator of that address, stopped either
  // of them, or came between a coordinator and the database. Now, if something does.
  virtual Instant LastTrouble(int pod, int address) const = 0;
  // For faults: every connection that is opened.
  virtual void Opened(int pod, int address, const std::shared_ptr<Connection>& connection) = 0;
};

// Where a pod runs.
struct PodSite {
  VirtualTime& time;
  Machine& machine;
  Surroundings& around;
  int place = 0;
};

// Carries out what the keeper decides, as the client library does.
class PodLife {
 public:
  struct Options {
    std::string name;
    Profile profile = Profile::kStrict;
    std::optional<Duration> lease;
    std::map<std::string, std::string> labels;
    std::string supersede_key;
    Duration watchdog{};
    int first_address = 0;
  };

  // `on_change` is called when its state may have changed.
  PodLife(PodSite site, Options options, Chance chance, std::function<void()> on_change);
  // Ends all its streams.
  ~PodLife();
  PodLife(const PodLife&) = delete;
  PodLife& operator=(const PodLife&) = delete;

  // As the application is told. Somebody else's look changes nothing.
  client::Standing Ask();

  // The application says that it does not hang.
  void Feed() { fed_at_ = site_.time.Now(); }

  // Says farewell; `work` must have been stopped.
  void Leave();

  Incarnation incarnation() const { return incarnation_; }
  const std::string& token() const { return token_; }
  Profile profile() const { return options_.profile; }
  // Of the coordinator that hosts it, or did last.
  int address() const { return hosted_at_; }
  client::SelfState state() const { return keeper_->state(); }
  bool farewell_over() const { return farewell_over_; }
  Duration watchdog() const { return options_.watchdog; }
  const std::optional<client::Error>& why() const { return keeper_->why(); }
  // Another process of its name took its place.
  bool Superseded() const;

  // In true time: when the application fed its watchdog last, or began to have one.
  Instant fed_at() const { return fed_at_; }

  // Whether it has not found its lease ended yet.
  bool Believes() const;

  // Whether it could believe at this reading of its clock that its lease is valid, whatever margin
  // it takes.
  bool LeaseValidAt(Instant local) const;

 private:
  class StreamEnd;

  static client::Time TimeOf(Instant local) { return client::Time(local.time_since_epoch()); }
  client::Time Now() const { return TimeOf(site_.machine.Now()); }

  void Act();
  void SetTimer();
  void Do(const client::action::Open& open);
  void Do(const client::action::Heartbeat& heartbeat);
  void Do(const client::action::Inquire& inquire);
  void Do(const client::action::Leave& leave);
  void Do(const client::action::Detach& detach);
  void Do(const client::action::Drop& drop);
  void Do(const client::action::Announce& announce);
  void Do(const client::action::AnnounceWaiting&) {}
  void Do(const client::action::LeaveDone&) { farewell_over_ = true; }

  // The coordinator that a stream to this address of the keeper's leads to. Where all have one, it
  // is that at the end of the connection in use, which a new one takes the place of.
  int Reach(size_t address, bool anew);
  // From here on the connection in use leads there; nowhere when negative.
  void Connect(int address);
  // The connection of this stream is not used again.
  void Distrust(client::StreamId id);
  // Where a new connection leads to.
  int Balanced();
  void Heard(client::StreamId id, const HostMessage& message);
  void Ended(client::StreamId id, const std::optional<Error>& told);
  Connection* Find(client::StreamId id);
  client::Standing CurrentStanding() const;

  const PodSite site_;
  const Options options_;
  Chance chance_;
  const std::function<void()> on_change_;
  client::StandingCell standing_;
  std::optional<client::LeaseKeeper> keeper_;
  struct Stream {
    std::shared_ptr<StreamEnd> end;
    std::shared_ptr<Connection> connection;
    int address;
  };
  std::map<client::StreamId, Stream> streams_;
  int hosted_at_;
  // The connection in use, where all coordinators have one address; none when negative.
  int connected_to_ = -1;
  const SimulatedCoordinator* connected_host_ = nullptr;
  std::unique_ptr<Timer> timer_;
  std::string registration_id_;
  std::string token_;
  Incarnation incarnation_;
  Instant fed_at_{};
  // What was posted is void once this is gone.
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  bool leaving_ = false;
  bool farewell_over_ = false;
};

}  // namespace vigil::sim
