// serf: members that probe each other. It has no store, and so nothing to claim: what is measured
// is when a member is told that another has failed.
#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "base/free_port.h"
#include "measuring.h"
#include "peer_kinds.h"
#include "support/process.h"

namespace vigil::bench {
namespace {

// How often a member probes another, in both profiles.
constexpr Duration kProbeInterval = std::chrono::seconds(1);
constexpr Duration kLimit = std::chrono::seconds(60);

std::string Here(int port) { return fmt::format("127.0.0.1:{}", port); }

// The victim and the survivor are agents themselves; an agent's log is where it tells.
class SerfContender : public Contender {
 public:
  SerfContender(std::string name, std::string profile, int samples)
      : Contender({.name = std::move(name),
                   .period = kProbeInterval,
                   .samples = samples,
                   .is_peer = true}),
        profile_(std::move(profile)) {}

  Result<void> Start() override {
    port_ = FreePort();
    auto survivor = RunAgent("survivor", port_, {});
    if (!survivor) return Fail(survivor.error());
    survivor_ = std::move(*survivor);
    auto joined = AwaitEvent("EventMemberJoin: survivor ", kStartLimit);
    if (!joined) return Fail(joined.error());
    return {};
  }

  Result<Takeover> Run(Duration peace) override {
    const std::string name = fmt::format("victim-{}", ++round_);
    auto victim = RunAgent(name, FreePort(), {"-join=" + Here(port_)});
    if (!victim) return Fail(victim.error());
    auto joined = AwaitEvent("EventMemberJoin: " + name + " ", kStartLimit);
    if (!joined) return Fail(joined.error());
    if (auto lived = LeaveInPeace(**victim, peace); !lived) return Fail(lived.error());
    const Instant killed = Now();
    (*victim)->Signal(SIGKILL);
    auto failed = AwaitEvent("EventMemberFailed: " + name + " ", kLimit);
    if (!failed) return Fail(failed.error());
    return Takeover{.noticed = *failed - killed, .claimed = {}};
  }

 private:
  Result<std::unique_ptr<Process>> RunAgent(const std::string& name, int port,
                                            const std::vector<std::string>& more) const {
    std::vector<std::string> command = {"serf",
                                        "agent",
                                        "-node=" + name,
                                        "-bind=" + Here(port),
                                        "-rpc-addr=" + Here(FreePort()),
                                        "-profile=" + profile_};
    command.insert(command.end(), more.begin(), more.end());
    return Process::Spawn({.command = command});
  }

  // When the survivor told it.
  Result<Instant> AwaitEvent(const std::string& words, Duration within) {
    const auto line = survivor_->AwaitLine(
        [&](const Process::Line& candidate) {
          return candidate.text.find(words) != std::string::npos;
        },
        within);
    if (line) return line->at;
    return Fail(Unmeasurable("no '" + words + "' came: " + survivor_->Transcript()));
  }

  const std::string profile_;
  int port_ = 0;
  std::unique_ptr<Process> survivor_;
  int round_ = 0;
};

}  // namespace

PeerKind Serf() {
  return {.name = "serf", .needs = {"serf"}, .contenders = [](const PeerSamples& samples) {
            std::vector<std::unique_ptr<Contender>> contenders;
            contenders.push_back(
                std::make_unique<SerfContender>("serf_lan", "lan", (samples.slow + 1) / 2));
            contenders.push_back(std::make_unique<SerfContender>("serf_local_tuned", "local",
                                                                 (samples.slow + 1) / 2));
            return contenders;
          }};
}

}  // namespace vigil::bench
