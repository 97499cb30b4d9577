// A pod that starts a piece of work of its own, and takes over the work of every pod that dies or
// leaves.
//
//     vigil_example_survivor 127.0.0.1:7420 web-1
//
// Start two of them, kill one, and watch the other. Ends with 0 when it is interrupted, and with 1
// when the pod is LOST.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/subscription.h"
#include "vigil/work.h"

using namespace vigil::client;

namespace {

int Fail(const Error& error) {
  std::fprintf(stderr, "%s\n%s\n", Describe(error).c_str(), error.hint.c_str());
  return 1;
}

// What the program does with an item that is its own now. Whatever it writes should carry the
// fence.
void Run(const WorkItem& item) {
  std::printf("running %s with fence %llu\n", item.key.c_str(),
              static_cast<unsigned long long>(item.fence.value()));
  std::fflush(stdout);
}

// Takes over what nobody runs any more. Several survivors may try at once: each item goes to one of
// them.
void ClaimOrphans(const Work& work, Incarnation self) {
  auto items = work.ClaimOrphans(self);
  if (!items) {
    Fail(items.error());
    return;
  }
  for (const WorkItem& item : *items) Run(item);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s ADDRESS POD\n", argv[0]);
    return 2;
  }
  sigset_t stops;  // taken by sigwait below; blocked before the library starts its threads
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);

  auto client = Client::Create({.addresses = {argv[1]}});
  if (!client) return Fail(client.error());

  PodSession session(*client, {.name = argv[2], .profile = Profile::kFast},
                     {.on_change = [](const Standing& standing) {
                       std::printf("%s\n", std::string(Name(standing.state)).c_str());
                       std::fflush(stdout);
                       // Nothing of this pod's may run from here on, so the program does not go on
                       // either.
                       if (standing.state == SelfState::kLost) std::_Exit(1);
                     }});
  auto registration = session.AwaitRegistration();
  if (!registration) return Fail(registration.error());
  const Incarnation self = registration->pod.incarnation;

  Work work(*client, "default");
  auto started = work.Start(self, std::string("work-of-") + argv[2]);
  if (!started) return Fail(started.error());
  if (started->outcome == StartOutcome::kStarted) Run(started->item);

  Subscription subscription(
      *client, {.start = FromNow{}},
      {// What was left before this pod came.
       .on_snapshot = [&](std::span<const Pod>, const Cursor&) { ClaimOrphans(work, self); },
       .on_events =
           [&](std::span<const Event> events, const Cursor&) {
             for (const Event& event : events) {
               if (event.orphans > 0) ClaimOrphans(work, self);  // POD_DIED or POD_LEFT
             }
           },
       .on_end = [](const Error& why) { Fail(why); }});

  int signal = 0;
  sigwait(&stops, &signal);
  subscription.Cancel();
  // All of this pod's work has stopped: say so, and others have it at once.
  auto left = session.Leave();
  return left ? 0 : Fail(left.error());
}
