// How a process becomes a pod, and knows whether it still is one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/pod.h"
#include "vigil/work.h"

namespace vigil::client {

// What a pod knows of itself.
enum class SelfState {
  kJoining,    // Not registered yet, or never granted a lease.
  kAlive,      // Hosted by a coordinator; the lease is valid.
  kSuspended,  // No coordinator hosts the pod just now; the lease is still valid. Go on working.
  kLost,       // The lease ended, or the incarnation was ended. Final: stop the work now.
  kLeft,       // Leave was called. Final.
  kRefused,    // The registration failed. Final.
};

// A pod's standing at one moment.
struct Standing {
  SelfState state = SelfState::kJoining;
  Incarnation incarnation;
  // Who hosts the pod, or did last.
  CoordinatorNumber coordinator;
  SessionNumber session;
  std::string address;
  // The pod may believe itself alive until here: the lease's end less the stop margin.
  Time alive_until{};
  // The lease's end: from here on others may be told that the pod is dead.
  Time lease_until{};
  // Why it is SUSPENDED, LOST or refused.
  std::optional<Error> why;

  // Whether the pod may go on working.
  bool alive() const { return state == SelfState::kAlive || state == SelfState::kSuspended; }
};

// The process of a pod did not run when it should have: it was stopped, its machine slept, or
// others had the CPU.
struct Pause {
  // From when the session had something to do until it could.
  Duration length{};
  // How much of the time the machine was suspended, as CLOCK_BOOTTIME and CLOCK_MONOTONIC tell.
  Duration suspended{};
};

// What came with a registration.
struct Registration {
  Pod pod;
  // Work that earlier incarnations of this name still own, without payload, checkpoint and result;
  // claim it to go on with it.
  std::vector<WorkItem> predecessors_work;
};

// One incarnation of a pod: registers it, keeps its lease, and moves it from coordinator to
// coordinator.
//
// Example:
//
//     PodSession session(*client, {.name = "web-1"}, {.on_change = [&](const Standing& standing) {
//                          if (standing.state == SelfState::kLost) StopTheWork();
//                        }});
//     auto registration = session.AwaitRegistration();
//     if (!registration) return Fail(registration.error());
//     while (session.alive_until() && WorkOnALittle()) {}
//     session.Leave();
//
// The lease counts from the moment the heartbeat that was answered was *sent*, on CLOCK_BOOTTIME,
// and is treated as ended a stop margin earlier. When the stream breaks or is silent for a third of
// the lease, the session resumes on another coordinator: the incarnation stays, nothing is
// registered again. LOST needs no connection: the local deadline alone brings it, and nothing takes
// it back; to go on, make a new PodSession, which is a new incarnation.
//
// Owns a thread, on which the callbacks run one at a time. They may block (that delays later
// callbacks, never the heartbeats) and may call everything here except the destructor.
//
// Thread safety: everything may be called from any thread. The destructor waits for a running
// callback; it may not be called by one.
//
// Error handling: a registration is tried on every address, round after round, until
// `register_timeout`; refusals that no other coordinator would take back (a taken name, a malformed
// one) end it at once. After it, the only failure is LOST: the lease ended, the cluster ended the
// incarnation, or the watchdog was not fed.
//
// It does not promise that work has stopped when the lease has ended: a paused process finds LOST
// at its first check after the pause. That is what the fence is for. The destructor does not leave,
// since it cannot know that the work has stopped: to the cluster it looks like a crash.
class PodSession {
 public:
  struct Options {
    std::string ns = "default";
    std::string name;
    Profile profile = Profile::kDefault;
    // 0.5 s to 60 s; the server's default (3 s) when zero.
    Duration lease{};
    std::map<std::string, std::string> labels;
    // How long to wait while another incarnation of the same name lives. At most 5 min.
    Duration wait_for_name{};
    // Not empty: this name never runs twice, by whatever starts the pod. Who registers it with the
    // same key ends this incarnation at once, whatever its lease says, and this one ends an
    // incumbent that registered with the same key; the older one is LOST as soon as its coordinator
    // knows. 16 to 64 letters, digits and '-' that nobody can guess: a secret of the application.
    std::string supersede_key;
    // For the registration with all its attempts, beside `wait_for_name`.
    Duration register_timeout = std::chrono::seconds(15);
    // How long the application may go without Feed before the pod is LOST; none when zero.
    Duration watchdog{};
  };

  struct Callbacks {
    // Every change of `state`, and every move to another coordinator.
    std::function<void(const Standing&)> on_change;
    // The registration waits for the verdict about this incumbent of the name.
    std::function<void(Incarnation)> on_waiting;
    // A pause of more than a third of the lease is over. If the lease ended meanwhile, LOST
    // follows.
    std::function<void(const Pause&)> on_pause;
    // The wall clock was set by a second or more, back when it is negative. Nothing here depends on
    // it; who reads logs of this time may want to know.
    std::function<void(Duration)> on_wall_clock_jump;
  };

  // Begins to register. Returns at once.
  PodSession(const Client& client, Options options, Callbacks callbacks = {});
  ~PodSession();
  PodSession(const PodSession&) = delete;
  PodSession& operator=(const PodSession&) = delete;

  // Blocks until the pod is registered and holds its first lease, or it was refused.
  Result<Registration> AwaitRegistration();

  // Until when the pod may believe itself alive: nothing when it may not, or not yet. Ask it before
  // every step of the work that others must not see from the dead. Lock-free, about 0.1
  // microseconds: a clock and an atomic number, so that no other thread, stuck or not, can delay
  // the answer. Once it said nothing after a lease, it and standing() say LOST for ever; after a
  // pause of the process the first answer is right already.
  std::optional<Time> alive_until() const;

  // The same with the particulars. Never blocks on the network, nor on a callback; copies strings.
  Standing standing() const;

  // Says that the application is well: call it from the work itself, several times in
  // `Options::watchdog`, never from a thread that would go on while the work hangs. The library's
  // own threads keep the lease of a process that hangs, and only this tells them apart. When it is
  // not called in time, counted from the registration on, the pod is LOST at once with a `why` that
  // says so, and the session's stream ends without a farewell, which is strong evidence of its
  // death. Feeding again changes nothing. Wait-free.
  void Feed() noexcept;

  // Ends the incarnation on purpose, so that its work is handed on at once. Call it after the work
  // has stopped. Tries other coordinators when the stream is broken. Blocks until a coordinator has
  // confirmed it or `timeout` is over, in which case the cluster will notice by itself that the pod
  // is gone. After LOST it is worth a try, too.
  Result<void> Leave(Duration timeout = std::chrono::seconds(5));

 private:
  class Driver;
  std::shared_ptr<Driver> driver_;
};

// "ALIVE"
std::string_view Name(SelfState state);

}  // namespace vigil::client
