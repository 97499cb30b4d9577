// Many pods in one process, which die at once when it is killed.
//
//   vigil_bench_doomed_pods ADDRESS NAMESPACE PODS ITEMS
//
// Each of them owns ITEMS work items. Prints "ready" when all of them do.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "mortal_pods.h"
#include "start_items.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string address = argv[1];
  const std::string ns = argv[2];
  const int items = std::atoi(argv[4]);
  auto pods = vigil::bench::MortalPods::Register(address, ns, "doomed", std::atoi(argv[3]));
  if (!pods) {
    std::fprintf(stderr, "%s\n", pods.error().message.c_str());
    return 1;
  }
  const auto started = vigil::bench::StartItems(address, ns, (*pods)->Living(), items);
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  while (true) pause();
}
