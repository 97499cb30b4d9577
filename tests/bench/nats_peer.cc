// NATS JetStream: a bucket of keys and values whose entries expire, which their owners put again
// and again.
//
// That an entry has expired is told to nobody, so the survivor, whose watch brings every put, asks
// for the entries beside it. Entries are in files, which Debian's version writes through to the
// disk by the clock alone: it answers before.
#include <fmt/format.h>

#include "peer_contender.h"
#include "peer_kinds.h"

namespace vigil::bench {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<Contender> WithExpiry(std::string name, milliseconds expiry, milliseconds poll,
                                      int samples) {
  const auto server = [](const Ground& ground) {
    return std::vector<std::string>{
        "nats-server", "-a",  "127.0.0.1",       "-p", std::to_string(ground.port()),
        "-js",         "-sd", ground.directory()};
  };
  return std::make_unique<PeerContender>(
      Contender::Traits{
          .name = std::move(name), .period = expiry / 3, .samples = samples, .is_peer = true},
      PeerSetting{.server = server,
                  .client = "nats.py",
                  .arguments = {std::to_string(expiry.count()), std::to_string(poll.count())},
                  .limit = 10 * Duration(expiry) + std::chrono::seconds(10)});
}

}  // namespace

PeerKind Nats() {
  return {.name = "nats", .needs = {"nats-server"}, .contenders = [](const PeerSamples& samples) {
            std::vector<std::unique_ptr<Contender>> contenders;
            contenders.push_back(WithExpiry("nats_expiry_10s", milliseconds(10'000),
                                            milliseconds(1000), (samples.slow + 1) / 2));
            contenders.push_back(WithExpiry("nats_expiry_300ms_tuned", milliseconds(300),
                                            milliseconds(10), samples.fast));
            return contenders;
          }};
}

}  // namespace vigil::bench
