// Many pods in the test's own process, all on one client.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "support/vigil_cluster.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"

namespace vigil {

// Registers them, remembers every change of their standing, and ends them without a farewell.
//
// Thread safety: one caller at a time.
class Crowd {
 public:
  struct Options {
    // The pods are called pod-0, pod-1, ... with this before them.
    std::string prefix;
    int size = 1;
    client::Profile profile = client::Profile::kStrict;
    // The server's default when zero.
    Duration lease{};
    Duration wait_for_name{};
    std::map<std::string, std::string> labels;
  };

  // Begins to register everybody.
  Crowd(const client::Client& client, const Options& options);

  int size() const { return static_cast<int>(members_.size()); }
  client::PodSession& pod(int number) { return *members_.at(Place(number))->session; }
  std::string name(int number) const { return members_.at(Place(number))->name; }

  // Waits for every registration. What the first refusal says; empty when there was none.
  std::string AwaitRegistered();

  using Match = std::function<bool(const client::Standing&)>;
  // Waits until the standing of every pod matches. When each one's last change to such a standing
  // was seen; empty when that was not within this time.
  std::vector<Instant> AwaitAll(const Match& matches, Duration within);
  // Waits until one of them has been LOST. False when none was within this time.
  bool AwaitOneLost(Duration within);

  // How many have ever been LOST, and how many SUSPENDED.
  size_t lost() const;
  size_t suspended() const;
  // How many are another incarnation than they were at their registration.
  size_t changed() const;

 private:
  struct Member {
    std::string name;
    client::Incarnation incarnation;
    // Guarded by mutex_.
    client::Standing standing;
    Instant changed{};
    bool lost = false;
    bool suspended = false;
    std::unique_ptr<client::PodSession> session;  // last: its callback uses all of the above
  };

  static size_t Place(int number) { return static_cast<size_t>(number); }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Member>> members_;
};

// ALIVE on a coordinator other than this one.
Crowd::Match HostedElsewhere(client::CoordinatorNumber number);
// ALIVE on any.
bool Hosted(const client::Standing& standing);
bool Lost(const client::Standing& standing);

// FAST pods that register and die at once, of a name that differs from round to round. Empty, or
// what went wrong.
std::string LiveAndDie(VigilCluster& cluster, int round, int pods);

}  // namespace vigil
