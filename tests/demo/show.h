// The demonstration: five acts, each with its checks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cast.h"
#include "keys.h"
#include "pg/private_cluster.h"
#include "screen.h"
#include "support/event_recorder.h"
#include "support/vigil_cluster.h"

namespace vigil {

// Owns everything that it starts; nothing of it is left when the object, or its process, is gone.
//
// Thread: the one that made it.
class Show {
 public:
  // Over TLS, everybody has a certificate and a role of its own.
  Show(Screen& screen, bool tls) : screen_(screen), tls_(tls) {}

  // An error when it could not even begin. A check that does not hold is shown, and keeps the acts
  // that need it from being played.
  Result<void> Play();

 private:
  Result<void> StartCluster();
  Result<void> StartPods();
  void AskForMoreThanWasGranted();
  // The pod that claimed the item, or nobody.
  Actor* KillAnOwner();
  Actor* LetOneLeave(Actor& owner);
  void KillACoordinator();
  void ReadTheLogAgain();

  // Waits until one of the pods that stand by for the item has claimed it from this owner, and
  // checks who, with which fence, and where it goes on.
  Actor* CheckClaim(const Actor& owner, uint64_t fence, Instant since);
  Actor* Named(const std::string& name) const;
  std::vector<client::Pod> Living() const;
  std::string OwnersOfTheOthers() const;
  // The coordinator that hosts most of the living, and their names.
  struct Hosting {
    int place = -1;
    std::vector<std::string> pods;
  };
  Hosting BusiestCoordinator() const;

  Screen& screen_;
  const bool tls_;
  std::optional<Keys> keys_;
  std::unique_ptr<pg::PrivateCluster> postgres_;
  std::unique_ptr<VigilCluster> cluster_;
  std::optional<client::Client> client_;
  std::unique_ptr<EventRecorder> log_;
  std::vector<std::unique_ptr<Actor>> pods_;
  std::string others_before_;
};

}  // namespace vigil
