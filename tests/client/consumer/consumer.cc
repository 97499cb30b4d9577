// Includes every public header, and calls what needs no coordinator.
#include <cstdio>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/pod.h"
#include "vigil/pod_session.h"
#include "vigil/subscription.h"
#include "vigil/types.h"
#include "vigil/work.h"

int main() {
  auto client = vigil::client::Client::Create(
      {.addresses = {"127.0.0.1:1"}, .call_timeout = std::chrono::seconds(1)});
  if (!client) return 1;
  auto pod = client->GetPod("default", "nobody");
  if (pod) return 1;
  std::printf("%s\n", std::string(Name(pod.error().code)).c_str());
  return 0;
}
