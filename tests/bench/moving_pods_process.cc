// Many pods that live, on the client library, and say where.
//
//   vigil_bench_moving_pods ADDRESS,... NAMESPACE FIRST PODS
//
// They are called pod-FIRST and so on, each with a client of its own, and so with a thread and a
// connection of its own as if it were alone in the process; every second is FAST, the others are
// STRICT. They register one after the other, with the first address. Prints
//
//   ready                                    all of them are registered
//   hosted NUMBER COORDINATOR NANOSECONDS    a pod is ALIVE there, since then on CLOCK_BOOTTIME
//   lost NUMBER WHY
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"

namespace {

using namespace vigil::client;

void Tell(int pod, const Standing& standing) {
  if (standing.state == SelfState::kAlive) {
    std::printf("hosted %d %llu %lld\n", pod,
                static_cast<unsigned long long>(standing.coordinator.value()),
                static_cast<long long>(BootClock::now().time_since_epoch().count()));
  } else if (standing.state == SelfState::kLost) {
    std::printf("lost %d %s\n", pod, standing.why ? Describe(*standing.why).c_str() : "");
  }
}

std::vector<std::string> Split(const std::string& addresses) {
  std::vector<std::string> split;
  std::istringstream rest(addresses);
  for (std::string address; std::getline(rest, address, ',');) split.push_back(address);
  return split;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const auto addresses = Split(argv[1]);
  const int first = std::atoi(argv[3]);
  std::vector<std::unique_ptr<PodSession>> pods;
  for (int number = first; number < first + std::atoi(argv[4]); ++number) {
    const auto client = Client::Create({.addresses = addresses, .spread = false});
    if (!client) {
      std::fprintf(stderr, "%s\n", Describe(client.error()).c_str());
      return 1;
    }
    pods.push_back(std::make_unique<PodSession>(
        *client,
        PodSession::Options{.ns = argv[2],
                            .name = "pod-" + std::to_string(number),
                            .profile = number % 2 == 0 ? Profile::kFast : Profile::kStrict},
        PodSession::Callbacks{
            .on_change = [number](const Standing& standing) { Tell(number, standing); }}));
    if (const auto registration = pods.back()->AwaitRegistration(); !registration) {
      std::fprintf(stderr, "%s\n", Describe(registration.error()).c_str());
      return 1;
    }
  }
  std::printf("ready\n");
  while (true) pause();
}
