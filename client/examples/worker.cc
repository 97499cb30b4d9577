// A pod that runs work items, takes over what dead pods leave, and hands its own over when it
// stops.
//
//     vigil_example_worker --address 127.0.0.1:7420 --pod worker-1 --submit a --submit b --steps
//     100 vigil_example_worker --address 127.0.0.1:7420 --pod worker-2
//
// Kill the first one, or interrupt it, and the second goes on where it was. There are two kinds of
// work: `count` counts to its payload, a line for each number, and `abort` ends the process, as a
// bug would: see how it is quarantined. Ends with 0 when it was interrupted and has left, else
// with 1.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/client.h"
#include "vigil/runner.h"

using namespace vigil::client;

namespace {

struct Arguments {
  std::vector<std::string> addresses;
  Runner::Options runner;
  // What to submit, and as what.
  std::vector<std::string> keys;
  std::string steps = "10";
  WorkTraits traits = {.kind = "count"};
  // Where `count` writes, beside what it says: a file that several workers append to.
  std::string output = "/dev/null";
  Duration pace = std::chrono::milliseconds(100);
};

// One line for programs. The names of the protocol need no quoting.
void Say(std::string_view event, const std::string& fields = "") {
  const std::string line = "{\"event\":\"" + std::string(event) + "\",\"at_ns\":" +
                           std::to_string(BootClock::now().time_since_epoch().count()) + fields +
                           "}\n";
  [[maybe_unused]] const ssize_t size = write(STDOUT_FILENO, line.data(), line.size());
}

std::string Field(std::string_view name, std::string_view value) {
  return ",\"" + std::string(name) + "\":\"" + std::string(value) + "\"";
}
std::string Field(std::string_view name, std::uint64_t value) {
  return ",\"" + std::string(name) + "\":" + std::to_string(value);
}
std::string Fields(const WorkItem& item) {
  return Field("key", item.key) + Field("fence", item.fence.value());
}

int Fail(const Error& error) {
  std::fprintf(stderr, "%s\n%s\n", Describe(error).c_str(), error.hint.c_str());
  return 1;
}

std::uint64_t Number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

// Counts from the last owner's checkpoint on. Each line carries the fence, so that who reads them
// can drop what a former owner wrote later than its successor.
TaskResult Count(const Arguments& arguments, const Task& task) {
  const std::string& key = task.item().key;
  const int file = open(arguments.output.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return Failed{"cannot open " + arguments.output};
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  TaskResult result = Done{task.item().payload};
  for (std::uint64_t n = Number(task.item().checkpoint) + 1; n <= Number(task.item().payload);
       ++n) {
    never.wait_for(lock, task.stop_token(), arguments.pace, [] { return false; });
    result = GivenBack{};
    if (task.stop_token().stop_requested() || !task.alive_until()) break;
    const std::string line =
        key + " " + std::to_string(task.fence().value()) + " " + std::to_string(n) + "\n";
    if (write(file, line.data(), line.size()) < 0) break;
    Say("output", Fields(task.item()) + Field("n", n));
    const auto written = task.Checkpoint(std::to_string(n));
    if (!written)
      Say("refused", Fields(task.item()) + Field("reason", Name(written.error().reason)));
    result = Done{task.item().payload};
  }
  close(file);
  return result;
}

TaskResult Abort(const Task&) {
  raise(SIGKILL);
  return Failed{"it lives"};
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  Runner::Options& runner = arguments.runner;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    const auto duration = [&value] { return std::chrono::milliseconds(Number(value)); };
    if (name == "--address")
      arguments.addresses.push_back(value);
    else if (name == "--pod")
      runner.pod.name = value;
    else if (name == "--namespace")
      runner.pod.ns = value;
    else if (name == "--profile")
      runner.pod.profile = value == "fast" ? Profile::kFast : Profile::kStrict;
    else if (name == "--lease-ms")
      runner.pod.lease = duration();
    else if (name == "--concurrency")
      runner.concurrency = static_cast<std::uint32_t>(Number(value));
    else if (name == "--poll-ms")
      runner.poll_interval = duration();
    else if (name == "--submit")
      arguments.keys.push_back(value);
    else if (name == "--steps")
      arguments.steps = value;
    else if (name == "--kind")
      arguments.traits.kind = value;
    else if (name == "--sticky-wait-ms")
      arguments.traits.sticky_wait = duration();
    else if (name == "--max-adoptions")
      arguments.traits.max_adoptions = static_cast<std::uint32_t>(Number(value));
    else if (name == "--output")
      arguments.output = value;
    else if (name == "--pace-ms")
      arguments.pace = duration();
    else
      std::fprintf(stderr, "%s is ignored\n", argv[i]);
  }
  if (arguments.traits.sticky_wait > Duration::zero())
    arguments.traits.policy = RecoveryPolicy::kSticky;
  return arguments;
}

// Says what happens. When the runner is over, main is to know.
Runner::Callbacks Listeners() {
  Runner::Callbacks listeners;
  listeners.pod.on_change = [](const Standing& standing) {
    Say(Name(standing.state), Field("incarnation", standing.incarnation.value()));
  };
  listeners.on_owned = [](const Ownership& had) {
    Say(had.claimed ? "claimed" : "owned", Fields(had.item));
  };
  listeners.on_ended = [](const WorkItem& item, TaskEnd end, const std::optional<Error>&) {
    Say("ended", Fields(item) + Field("as", Name(end)));
  };
  listeners.on_trouble = [](const Error& why) { Fail(why); };
  listeners.on_over = [](const RunnerEnd&) { kill(getpid(), SIGTERM); };
  return listeners;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments = Parse(argc, argv);
  if (arguments.addresses.empty() || arguments.runner.pod.name.empty()) {
    std::fprintf(stderr, "usage: %s --address ADDRESS --pod NAME [--submit KEY]...\n", argv[0]);
    return 2;
  }
  sigset_t stops;  // taken by sigwait below; blocked before the library starts its threads
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);

  const auto client = Client::Create({.addresses = arguments.addresses});
  if (!client) return Fail(client.error());
  arguments.runner.functions = {
      {"count", [&arguments](const Task& task) { return Count(arguments, task); }},
      {"abort", Abort}};
  Runner runner(*client, arguments.runner, Listeners());
  const auto registration = runner.AwaitRegistration();
  if (!registration) return Fail(registration.error());
  for (const std::string& key : arguments.keys) {
    const auto submitted = runner.Submit(key, arguments.steps, arguments.traits);
    if (!submitted) return Fail(submitted.error());
  }
  Say("ready");

  int signal = 0;
  sigwait(&stops, &signal);
  const RunnerEnd end = runner.Stop(std::chrono::seconds(20));
  // A function that hangs must not be handed over while it runs, so the whole process ends.
  if (!end.unreturned.empty()) std::_Exit(1);
  return end.state == SelfState::kLeft && end.left ? 0 : 1;
}
