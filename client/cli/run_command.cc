#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/durations.h"
#include "cli/labels.h"
#include "cli/traits.h"
#include "guard/command_watchdog.h"
#include "guard/exit_code.h"
#include "guard/guardian.h"
#include "guard/signals.h"
#include "guard/watcher.h"

namespace vigil::client {
namespace {

struct RunArguments {
  RunOptions run;
  std::string profile = "strict";
  bool random_name = false;
};

std::string RandomName() {
  std::random_device entropy;
  std::string name = "pod-";
  for (int i = 0; i < 10; ++i) name += "0123456789abcdefghijklmnopqrstuv"[entropy() % 32];
  return name;
}

int Run(const Context& context, RunArguments arguments) {
  RunOptions& run = arguments.run;
  if (run.pod.name.empty() && arguments.random_name) run.pod.name = RandomName();
  if (run.pod.name.empty()) {
    return Fail(
        {Code::kInvalidArgument,
         Reason::kNone,
         "the pod has no name",
         "Give --pod or POD_NAME; or --random-name, when no pod ever has to be found by its name.",
         {}});
  }
  run.pod.ns = context.ns;
  run.pod.profile =
      CLI::detail::to_lower(arguments.profile) == "fast" ? Profile::kFast : Profile::kStrict;
  run.json = context.json();
  if (run.watchdog != Duration::zero() && run.watchdog < CommandWatchdog::kShortest) {
    return Fail({Code::kInvalidArgument,
                 Reason::kNone,
                 "a watchdog shorter than 100ms would judge the scheduler and not the command",
                 "Give --watchdog 100ms or more, or 0s for none.",
                 {}});
  }
  // One that was meant for this process would keep the command from feeding the watchdog here.
  if (run.watchdog != Duration::zero()) unsetenv("WATCHDOG_PID");
  BlockSignals();
  auto watcher = Watcher::Fork();  // before the client starts a thread
  if (!watcher) {
    Fail(watcher.error());
    return kRunFailed;
  }
  const auto client = context.Connect(std::chrono::seconds(5), std::chrono::milliseconds(1500));
  if (!client) return Fail(client.error());
  return RunGuardian(*client, run, *watcher);
}

constexpr const char* kFooter =
    "The command runs when the item is this pod's, in a process group of its own, with the "
    "standard streams of vigil run and\n"
    "in its environment VIGIL_WORK_KEY, VIGIL_FENCE, VIGIL_PAYLOAD, VIGIL_CHECKPOINT, "
    "VIGIL_INCARNATION, VIGIL_NAMESPACE,\n"
    "VIGIL_POD and VIGIL_ADDRESS (a value with a zero byte is left out). When it exits with 0 the "
    "item is completed. When it\n"
    "fails, the item is given up, which counts as an adoption, and others take it over. What it "
    "leaves behind in its process\n"
    "group is killed.\n"
    "\n"
    "Progress goes to stderr; with -o json as one object a line.\n"
    "\n"
    "Exit codes: the command's own; 128 plus its number for a signal that killed the command or "
    "stopped vigil run, and\n"
    "  0    the item is completed, by this pod or another\n"
    "  2    the command line is wrong\n"
    "  120  the pod was LOST and the command was stopped\n"
    "  121  the item is not this pod's any more\n"
    "  122  the registration was refused\n"
    "  123  no coordinator could be reached\n"
    "  124  the command did not feed its watchdog and was stopped\n"
    "  125  vigil run itself failed\n"
    "  126  the command cannot be executed\n"
    "  127  the command was not found";

}  // namespace

void AddRunCommand(CLI::App& app, Context& context) {
  CLI::App* run =
      app.add_subcommand("run",
                         "Runs a command on exactly one of the pods that ask for its work item")
          ->fallthrough()
          ->footer(kFooter);
  auto arguments = std::make_shared<RunArguments>();
  PodSession::Options& pod = arguments->run.pod;
  pod.wait_for_name = std::chrono::seconds(60);
  run->add_option("--pod", pod.name, "This pod's name, unique among the living")
      ->envname("POD_NAME");
  run->add_flag("--random-name", arguments->random_name, "Without a name, take one at random");
  run->add_option("--work", arguments->run.key, "The key of the work item")->required();
  run->add_option("--payload", arguments->run.payload,
                  "What whoever runs the item needs, if this pod is the first to start it");
  run->add_option("--profile", arguments->profile,
                  "strict: nobody takes over before this pod's lease has ended. fast: as soon as "
                  "its connection breaks; "
                  "the fence protects the work")
      ->check(CLI::IsMember({"strict", "fast"}, CLI::ignore_case))
      ->capture_default_str();
  AddTraits(*run, arguments->run.traits, "--work-label");
  AddDuration(
      *run, "--lease", pod.lease,
      "How long the pod may believe itself alive without an answer: 500ms to 60s; 3s by default");
  AddDuration(*run, "--wait-for-name", pod.wait_for_name,
              "How long to wait while another life of this name ends, 60s by default");
  run->add_option("--supersede-key", pod.supersede_key,
                  "This name never runs twice: end an earlier life with the same key at once, and "
                  "let a later one end this life. "
                  "16 to 64 letters, digits and '-'; a secret, so better in the variable")
      ->envname("VIGIL_SUPERSEDE_KEY");
  AddDuration(*run, "--stop-timeout", arguments->run.stop_timeout,
              "Between SIGTERM or SIGINT, which is passed on, and SIGKILL, 10s by default");
  AddDuration(*run, "--watchdog", arguments->run.watchdog,
              "How long the command may go without feeding its watchdog (sd_notify: WATCHDOG=1 to "
              "NOTIFY_SOCKET) before it is taken for hung and stopped; none by default");
  AddLabels(*run, pod.labels, "A label of the pod; several times for several");
  run->add_option("command", arguments->run.command, "The command and its arguments, after --")
      ->required();
  run->callback([&context, arguments] {
    context.action = [&context, arguments] {
      context.ExportCredentials();
      return Run(context, *arguments);
    };
  });
}

}  // namespace vigil::client
