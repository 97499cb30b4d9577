// A pod that owns one work item and waits to be killed.
//
//   vigil_bench_pod ADDRESS NAMESPACE NAME KEY fast|strict LEASE-IN-MS
//
// Prints "ready INCARNATION FENCE" when it owns the item. Built on the client library alone, as an
// application would be, and otherwise as small as that allows.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/work.h"

namespace {

using namespace vigil::client;

int Fail(const Error& error) {
  std::fprintf(stderr, "%s\n", Describe(error).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const std::string ns = argv[2];
  const std::string key = argv[4];
  auto client = Client::Create({.addresses = {argv[1]}});
  if (!client) return Fail(client.error());
  PodSession session(
      *client, {.ns = ns,
                .name = argv[3],
                .profile = argv[5] == std::string("strict") ? Profile::kStrict : Profile::kFast,
                .lease = std::chrono::milliseconds(std::atoll(argv[6]))});
  const auto registration = session.AwaitRegistration();
  if (!registration) return Fail(registration.error());
  const Incarnation me = registration->pod.incarnation;
  const auto started = Work(*client, ns).Start(me, key);
  if (!started) return Fail(started.error());
  if (started->outcome != StartOutcome::kStarted) return 1;
  std::printf("ready %llu %llu\n", static_cast<unsigned long long>(me.value()),
              static_cast<unsigned long long>(started->item.fence.value()));
  std::fflush(stdout);
  while (true) pause();
}
