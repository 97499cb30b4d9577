#include "peer_kinds.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace vigil::bench {
namespace {

bool IsThere(const std::string& need) {
  if (need.starts_with('/')) return access(need.c_str(), R_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (access(directory.append("/").append(need).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::vector<PeerKind> PeerKinds() { return {Etcd(), ZooKeeper(), Nats(), Redis(), Serf()}; }

std::string MissingOf(const PeerKind& kind) {
  for (const std::string& need : kind.needs) {
    if (!IsThere(need)) return need;
  }
  return "";
}

}  // namespace vigil::bench
