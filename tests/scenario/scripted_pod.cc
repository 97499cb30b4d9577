#include "scripted_pod.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <string_view>
#include <utility>

#include "own_process.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/subscription.h"
#include "vigil/work.h"

namespace vigil {
namespace {

constexpr std::string_view kMode = "--as-pod";
// How often the lease is looked at: what it has grown by in between goes unreported.
constexpr int kLookMilliseconds = 2;
constexpr uint32_t kClaimsAtOnce = 3;

std::string KeyOf(const std::string& keys, int item) {
  return keys + static_cast<char>('0' + item / 10) + static_cast<char>('0' + item % 10);
}

Json ToJson(const client::WorkItem& item) {
  return {{"key", item.key}, {"owner", item.owner.value()}, {"fence", item.fence.value()}};
}

class ScriptedPod {
 public:
  ScriptedPod(const client::Client& client, const Json& script, int signals)
      : client_(client),
        script_(script),
        signals_(signals),
        work_(client, script.at("ns")),
        session_(client, {.ns = script.at("ns"),
                          .name = script.at("name"),
                          .profile = script.at("strict").get<bool>() ? client::Profile::kStrict
                                                                     : client::Profile::kFast,
                          .lease = std::chrono::milliseconds(script.at("lease_ms").get<int>()),
                          .labels = script.at("labels"),
                          .wait_for_name = std::chrono::seconds(60)}) {}

  int Play() {
    const auto registration = session_.AwaitRegistration();
    if (!registration) return SayFailed(registration.error());
    self_ = registration->pod.incarnation;
    Json predecessors = Json::array();
    for (const auto& item : registration->predecessors_work) predecessors.push_back(ToJson(item));
    Say("registered", {{"incarnation", self_.value()}, {"predecessors", predecessors}});
    client::WorkTraits traits;
    if (!script_.at("heirs").is_null()) {
      traits.policy = client::RecoveryPolicy::kAssign;
      traits.selector = script_.at("heirs");
    }
    for (int i = 0; i < script_.at("items").get<int>(); ++i) {
      const auto started = work_.Start(self_, KeyOf(script_.at("keys"), i), {}, traits);
      if (!started) return SayFailed(started.error());
      items_.push_back(started->item);
      Say("started", ToJson(started->item));
    }
    if (script_.at("claims").get<bool>()) {
      Follow();  // is ready with its first snapshot
    } else {
      Say("ready");
    }
    return Live();
  }

 private:
  void Follow() {
    subscription_.emplace(
        client_, client::Subscription::Options{.ns = script_.at("ns"), .retry_first = true},
        client::Subscription::Callbacks{
            .on_snapshot = [](std::span<const client::Pod>,
                              const client::Cursor&) { Say("ready"); },
            .on_events =
                [this](std::span<const client::Event> events, const client::Cursor&) {
                  for (const client::Event& event : events) {
                    if (event.kind == client::EventKind::kPodDied) ClaimAll();
                  }
                }});
  }

  void ClaimAll() const {
    for (;;) {
      const auto claimed = work_.ClaimOrphans(self_, kClaimsAtOnce);
      if (!claimed) {
        SayFailed(claimed.error());
        return;
      }
      for (const auto& item : *claimed) Say("claimed", ToJson(item));
      if (claimed->empty()) return Say("dry");
    }
  }

  void WriteLate() const {
    for (const client::WorkItem& item : items_) {
      const auto written = work_.Checkpoint(self_, item.key, item.fence, "late");
      if (written) {
        Say("written", {{"key", item.key}});
      } else {
        Say("refused", {{"key", item.key}, {"reason", client::Name(written.error().reason)}});
      }
    }
  }

  int Live() {
    client::Time reported{};
    pollfd entry{signals_, POLLIN, 0};
    while (poll(&entry, 1, kLookMilliseconds) == 0) {
      const client::Standing standing = session_.standing();
      if (!standing.alive()) {
        Say("lost");
        WriteLate();
        return 1;
      }
      if (standing.lease_until != std::exchange(reported, standing.lease_until)) {
        Say("lease", {{"until_ns", reported.time_since_epoch().count()}});
      }
    }
    const auto left = session_.Leave();
    return left ? 0 : SayFailed(left.error());
  }

  const client::Client& client_;
  const Json& script_;
  const int signals_;
  const client::Work work_;
  client::PodSession session_;
  client::Incarnation self_;
  std::vector<client::WorkItem> items_;
  std::optional<client::Subscription> subscription_;
};

}  // namespace

Result<std::unique_ptr<ReportingProcess>> RunScriptedPod(const PodScript& script) {
  const Json json{{"addresses", script.addresses},
                  {"ns", script.ns},
                  {"name", script.name},
                  {"strict", script.strict},
                  {"lease_ms", script.lease / std::chrono::milliseconds(1)},
                  {"items", script.items},
                  {"keys", script.keys},
                  {"claims", script.claims},
                  {"in_order", script.in_order},
                  {"labels", script.labels},
                  {"heirs", script.heirs ? Json(*script.heirs) : Json()}};
  return RunSelf(kMode, json, script.machine);
}

std::optional<int> PlayIfAsked(int argc, char** argv) {
  const auto asked = ScriptFor(kMode, argc, argv);
  if (!asked) return std::nullopt;
  sigset_t termination;
  sigemptyset(&termination);
  sigaddset(&termination, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &termination, nullptr);  // before there is a second thread
  const int signals = signalfd(-1, &termination, SFD_CLOEXEC);
  const Json& script = *asked;
  const auto client = client::Client::Create(
      {.addresses = script.at("addresses"), .spread = !script.at("in_order").get<bool>()});
  if (!client) return SayFailed(client.error());
  return ScriptedPod(*client, script, signals).Play();
}

}  // namespace vigil
