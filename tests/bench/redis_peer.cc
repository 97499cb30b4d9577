// Redis: a key that expires, which its owner sets again and again.
//
// A key that nobody touches is found to have expired by a search at random, `hz` times a second,
// and only then it is told: so the survivor listens for that and asks for the key beside it, which
// makes the server look. Every change is written through to the disk (appendfsync always).
#include <fmt/format.h>

#include "peer_contender.h"
#include "peer_kinds.h"

namespace vigil::bench {
namespace {

struct Expiry {
  std::string name;
  std::chrono::milliseconds key;
  std::chrono::milliseconds poll;
  int searches_per_second = 0;
  int samples = 0;
};

std::unique_ptr<Contender> WithExpiry(const Expiry& expiry) {
  const auto server = [hz = expiry.searches_per_second](const Ground& ground) {
    return std::vector<std::string>{"redis-server",
                                    "--bind",
                                    "127.0.0.1",
                                    "--port",
                                    std::to_string(ground.port()),
                                    "--dir",
                                    ground.directory(),
                                    "--appendonly",
                                    "yes",
                                    "--appendfsync",
                                    "always",
                                    "--save",
                                    "",
                                    "--notify-keyspace-events",
                                    "Ex",
                                    "--hz",
                                    std::to_string(hz)};
  };
  return std::make_unique<PeerContender>(
      Contender::Traits{.name = expiry.name,
                        .period = expiry.key / 3,
                        .samples = expiry.samples,
                        .is_peer = true},
      PeerSetting{
          .server = server,
          .client = "redis.py",
          .arguments = {std::to_string(expiry.key.count()), std::to_string(expiry.poll.count())},
          .limit = 10 * Duration(expiry.key) + std::chrono::seconds(10)});
}

}  // namespace

PeerKind Redis() {
  using std::chrono::milliseconds;
  return {.name = "redis", .needs = {"redis-server"}, .contenders = [](const PeerSamples& samples) {
            std::vector<std::unique_ptr<Contender>> contenders;
            contenders.push_back(WithExpiry({.name = "redis_expiry_3s",
                                             .key = milliseconds(3000),
                                             .poll = milliseconds(1000),
                                             .searches_per_second = 10,
                                             .samples = samples.slow}));
            contenders.push_back(WithExpiry({.name = "redis_expiry_300ms_tuned",
                                             .key = milliseconds(300),
                                             .poll = milliseconds(10),
                                             .searches_per_second = 100,
                                             .samples = samples.fast}));
            return contenders;
          }};
}

}  // namespace vigil::bench
