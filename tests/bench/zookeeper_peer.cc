// ZooKeeper: an ephemeral node, which goes with its owner's session.
//
// A session lasts two ticks at least, and its end is found at the end of a tick. A tick is 2 s by
// default. Every change is written through to the disk.
#include <fmt/format.h>

#include "peer_contender.h"
#include "peer_kinds.h"

namespace vigil::bench {
namespace {

using std::chrono::milliseconds;

constexpr auto kLibrary = "/usr/share/java/zookeeper.jar";

std::unique_ptr<Contender> WithTick(std::string name, milliseconds tick, milliseconds session,
                                    int samples) {
  const auto server = [tick](const Ground& ground) {
    const std::string settings = ground.Write(
        "zoo.cfg", fmt::format("tickTime={}\ndataDir={}\nclientPort={}\n"
                               "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
                               tick.count(), ground.directory(), ground.port()));
    return std::vector<std::string>{
        "java",  "-Xmx256m", "-cp", kLibrary, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        settings};
  };
  return std::make_unique<PeerContender>(
      Contender::Traits{
          .name = std::move(name), .period = session / 3, .samples = samples, .is_peer = true},
      PeerSetting{.server = server,
                  .client = "zookeeper.py",
                  .arguments = {std::to_string(session.count())},
                  .limit = 10 * Duration(session) + std::chrono::seconds(10)});
}

}  // namespace

PeerKind ZooKeeper() {
  return {.name = "zookeeper",
          .needs = {"java", kLibrary, "/usr/lib/python3/dist-packages/kazoo"},
          .contenders = [](const PeerSamples& samples) {
            std::vector<std::unique_ptr<Contender>> contenders;
            contenders.push_back(WithTick("zookeeper_session_4s", milliseconds(2000),
                                          milliseconds(4000), samples.slow));
            contenders.push_back(WithTick("zookeeper_session_300ms_tuned", milliseconds(100),
                                          milliseconds(300), samples.fast));
            return contenders;
          }};
}

}  // namespace vigil::bench
