#include "output_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "eventually.h"
#include "own_process.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/work.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kMode = "--as-writer";
constexpr int kBetweenCheckpoints = 10;
constexpr Duration kPatience = seconds(60);

class Writer {
 public:
  Writer(const client::Client& client, const Json& script)
      : script_(script),
        key_(script.at("key")),
        work_(client, "default"),
        session_(client, {.name = script.at("name"),
                          .profile = client::Profile::kFast,
                          .lease = milliseconds(1000)}) {}

  int Play() {
    const auto registration = session_.AwaitRegistration();
    if (!registration) return SayFailed(registration.error());
    self_ = registration->pod.incarnation;
    Say("registered");
    if (!Eventually(kPatience, [this] { return Own(); })) return 1;
    const int from = std::atoi(item_.checkpoint.c_str());
    Say("owns", {{"fence", item_.fence.value()}, {"from", from}});
    Write("from " + std::to_string(from));
    const int lines = script_.at("lines");
    for (int line = from; line < lines;) line = WriteUpTo(line, lines);
    const auto completed = work_.Complete(self_, key_, item_.fence, std::to_string(lines));
    Say("done", {{"completed", completed.has_value()}});
    return completed ? 0 : 1;
  }

 private:
  bool Own() {
    const auto started = work_.Start(self_, key_);
    if (!started) return false;
    item_ = started->item;
    if (item_.owner == self_) return true;
    if (!item_.orphan) return false;
    const auto claimed = work_.Claim(self_, key_, item_.owner, item_.fence);
    if (!claimed || claimed->outcome != client::ClaimOutcome::kClaimed) return false;
    item_ = claimed->item;
    return true;
  }

  // The lines until the next checkpoint, and that; returns the line after them.
  int WriteUpTo(int line, int lines) {
    const int next = std::min(lines, (line / kBetweenCheckpoints + 1) * kBetweenCheckpoints);
    for (; line < next; ++line) {
      if (line == script_.at("hold_before_line")) Hold();
      if (line == script_.at("pause_before_line")) raise(SIGSTOP);
      Write(std::to_string(line) + " " + std::to_string(line) + " by " +
            script_.at("name").get<std::string>());
    }
    const auto accepted = work_.Checkpoint(self_, key_, item_.fence, std::to_string(next));
    if (next == script_.at("pause_before_settling")) raise(SIGSTOP);
    if (accepted) Write("settled " + std::to_string(next));
    return next;
  }

  // Until the test says so.
  static void Hold() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    Say("holding");
    int signal = 0;
    sigwait(&signals, &signal);
  }

  // In one piece, after all that is there.
  void Write(const std::string& words) const {
    const std::string line = std::to_string(item_.fence.value()) + " " + words + "\n";
    const int file = open(script_.at("file").get<std::string>().c_str(),
                          O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    [[maybe_unused]] const ssize_t size = write(file, line.data(), line.size());
    close(file);
  }

  const Json& script_;
  const std::string key_;
  const client::Work work_;
  client::PodSession session_;
  client::Incarnation self_;
  client::WorkItem item_;
};

}  // namespace

Result<std::unique_ptr<ReportingProcess>> RunOutputWriter(const OutputWriter& writer) {
  return RunSelf(kMode, {{"addresses", writer.addresses},
                         {"name", writer.name},
                         {"key", writer.key},
                         {"file", writer.file},
                         {"lines", writer.lines},
                         {"pause_before_line", writer.pause_before_line},
                         {"pause_before_settling", writer.pause_before_settling},
                         {"hold_before_line", writer.hold_before_line}});
}

std::optional<int> PlayWriterIfAsked(int argc, char** argv) {
  const auto script = ScriptFor(kMode, argc, argv);
  if (!script) return std::nullopt;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before there is a second thread
  const auto client = client::Client::Create({.addresses = script->at("addresses")});
  if (!client) return SayFailed(client.error());
  return Writer(*client, *script).Play();
}

}  // namespace vigil
