// The other systems that are measured beside Vigil, each with its settings. A file a kind.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contender.h"

namespace vigil::bench {

// How often a setting whose rounds take seconds is measured, and one whose rounds do not.
struct PeerSamples {
  int slow = 0;
  int fast = 0;
};

struct PeerKind {
  std::string name;
  // Programs in PATH, or paths of files, without which it is not installed.
  std::vector<std::string> needs;
  // One for each setting.
  std::function<std::vector<std::unique_ptr<Contender>>(const PeerSamples&)> contenders;
};

// In the order in which they are reported.
std::vector<PeerKind> PeerKinds();

// The first thing that it needs and that is not there; empty when it is installed.
std::string MissingOf(const PeerKind& kind);

PeerKind Etcd();
PeerKind ZooKeeper();
PeerKind Nats();
PeerKind Redis();
PeerKind Serf();

}  // namespace vigil::bench
