// etcd: a key under a lease, which its owner keeps alive.
//
// A lease is whole seconds, and no shorter than one and a half elections of the server: 2 s with
// the settings that are defaults. With elections as short as the server takes them it may be 1 s.
// Every change is written through to the disk.
#include <fmt/format.h>

#include "peer_contender.h"
#include "peer_kinds.h"

namespace vigil::bench {
namespace {

std::unique_ptr<Contender> WithLease(std::string name, int seconds, int samples,
                                     const std::vector<std::string>& settings) {
  const auto server = [settings](const Ground& ground) {
    const std::string clients = fmt::format("http://127.0.0.1:{}", ground.port());
    const std::string others = fmt::format("http://127.0.0.1:{}", ground.other_port());
    std::vector<std::string> command = {"etcd",
                                        "--name=bench",
                                        "--log-level=error",
                                        "--data-dir=" + ground.directory() + "/data",
                                        "--listen-client-urls=" + clients,
                                        "--advertise-client-urls=" + clients,
                                        "--listen-peer-urls=" + others,
                                        "--initial-advertise-peer-urls=" + others,
                                        "--initial-cluster=bench=" + others};
    command.insert(command.end(), settings.begin(), settings.end());
    return command;
  };
  const Duration lease = std::chrono::seconds(seconds);
  return std::make_unique<PeerContender>(
      Contender::Traits{
          .name = std::move(name), .period = lease / 3, .samples = samples, .is_peer = true},
      PeerSetting{.server = server,
                  .client = "etcd.py",
                  .arguments = {std::to_string(seconds)},
                  .limit = 10 * lease});
}

}  // namespace

PeerKind Etcd() {
  return {.name = "etcd", .needs = {"etcd"}, .contenders = [](const PeerSamples& samples) {
            std::vector<std::unique_ptr<Contender>> contenders;
            contenders.push_back(WithLease("etcd_lease_2s", 2, samples.slow, {}));
            contenders.push_back(WithLease("etcd_lease_1s_tuned", 1, samples.slow,
                                           {"--heartbeat-interval=10", "--election-timeout=100"}));
            return contenders;
          }};
}

}  // namespace vigil::bench
