// The same death with Vigil, a round at a time.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "vigil/client.h"
#include "vigil/event.h"
#include "vigil/pod.h"
#include "vigil/pod_session.h"
#include "vigil/subscription.h"
#include "vigil/work.h"

namespace vigil::bench {

// How long after the SIGKILL of the victim the survivor was so far.
struct VigilRound {
  Duration event{};    // its subscription had the POD_DIED event
  Duration claimed{};  // its claim was committed, and it knew
};

// Owns a survivor: a pod of this process with a subscription from now, which claims the victim's
// item in the callback that brings the death. Each round has a victim (victim_pod.cc) of its own.
// One thread at a time.
class VigilChain {
 public:
  struct Options {
    // No two chains on one cluster have the same.
    std::string ns;
    client::Profile profile = client::Profile::kFast;
    Duration lease{};
  };

  // The survivor is registered and its subscription is live when this returns.
  static Result<std::unique_ptr<VigilChain>> Start(std::string address, Options options);

  ~VigilChain();
  VigilChain(const VigilChain&) = delete;
  VigilChain& operator=(const VigilChain&) = delete;

  // Starts a victim, leaves it in peace for `peace` once it owns an item, kills it, and returns
  // when the survivor owns the item.
  Result<VigilRound> Run(Duration peace);

 private:
  // What the survivor is to expect, and what became of it.
  struct Round {
    client::Incarnation victim;
    client::Fence fence;
    std::string key;
    Instant event;
    Instant claimed;
    std::string failure;
    bool over = false;
  };

  VigilChain(std::string address, std::string victim, client::Client client, Options options);

  Result<void> StartSurvivor();
  void OnEvents(std::span<const client::Event> events);
  // The survivor's part, on the thread of its subscription.
  void TakeOver(Round& round);

  const std::string address_;
  const std::string victim_;
  const Options options_;
  client::Client client_;
  client::Work work_;
  client::Incarnation survivor_;
  int number_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool live_ = false;           // guarded by mutex_
  std::string trouble_;         // guarded by mutex_: why the subscription ended
  std::optional<Round> round_;  // guarded by mutex_

  std::unique_ptr<client::PodSession> session_;
  std::unique_ptr<client::Subscription> subscription_;
};

}  // namespace vigil::bench
