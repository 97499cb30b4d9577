#include "mortal_crowd.h"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string_view>
#include <thread>

#include "crowd.h"
#include "own_process.h"
#include "vigil/work.h"

namespace vigil {
namespace {

constexpr std::string_view kMode = "--as-crowd";
constexpr int kStartersAtOnce = 4;

// Empty, or what went wrong.
std::string StartItems(const client::Work& work, Crowd& crowd, int pod, const Json& script) {
  const auto self = crowd.pod(pod).standing().incarnation;
  for (const char* policy : {"compete", "assign"}) {
    client::WorkTraits traits;
    if (std::string_view(policy) == "assign") {
      traits.policy = client::RecoveryPolicy::kAssign;
      traits.selector = script.at("heirs");
    }
    for (int item = 0; item < script.at(policy).get<int>(); ++item) {
      const std::string key = crowd.name(pod) + "/" + policy + "-" + std::to_string(item);
      const auto started = work.Start(self, key, {}, traits);
      if (!started) return client::Describe(started.error());
      if (started->outcome != client::StartOutcome::kStarted) return key + " was there";
    }
  }
  return "";
}

int Fail(const std::string& message) {
  Say("failed", {{"message", message}});
  return 1;
}

}  // namespace

Result<std::unique_ptr<ReportingProcess>> RunMortalCrowd(const MortalCrowd& crowd) {
  return RunSelf(kMode, {{"addresses", crowd.addresses},
                         {"prefix", crowd.prefix},
                         {"pods", crowd.pods},
                         {"compete", crowd.compete},
                         {"assign", crowd.assign},
                         {"heirs", crowd.heirs},
                         {"lease_ms", crowd.lease / std::chrono::milliseconds(1)}});
}

std::optional<int> PlayCrowdIfAsked(int argc, char** argv) {
  const auto script = ScriptFor(kMode, argc, argv);
  if (!script) return std::nullopt;
  const auto client = client::Client::Create({.addresses = script->at("addresses")});
  if (!client) return SayFailed(client.error());
  const int pods = script->at("pods");
  Crowd crowd(*client, {.prefix = script->at("prefix"),
                        .size = pods,
                        .profile = client::Profile::kFast,
                        .lease = std::chrono::milliseconds(script->at("lease_ms").get<int>())});
  if (const std::string refused = crowd.AwaitRegistered(); !refused.empty()) return Fail(refused);
  const client::Work work(*client, "default");
  std::atomic<int> next = 0;
  std::mutex mutex;
  std::string trouble;
  {
    std::vector<std::jthread> starters;
    for (int i = 0; i < kStartersAtOnce; ++i) {
      starters.emplace_back([&] {
        for (int pod = next++; pod < pods; pod = next++) {
          const std::string wrong = StartItems(work, crowd, pod, *script);
          if (wrong.empty()) continue;
          std::lock_guard lock(mutex);
          trouble = wrong;
          return;
        }
      });
    }
  }
  if (!trouble.empty()) return Fail(trouble);
  Say("ready");
  pause();
  return 0;
}

}  // namespace vigil
