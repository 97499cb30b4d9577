#include "cast.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

namespace vigil {
namespace {

constexpr auto kBetweenSteps = std::chrono::milliseconds(1200);

// SIGTERM goes to the whole process group: the step under way is finished first. Exit code 3 of
// `vigil` is a coordinator that is not there just now: the next step's checkpoint says all.
constexpr auto kWork =
    "trap stop=1 TERM; n=${VIGIL_CHECKPOINT:-0}\n"
    "while [ -z \"$stop\" ]; do\n"
    "  n=$((n + 1)); echo \"step $n\"\n"
    "  (trap '' TERM; exec \"$DEMO_VIGIL\" work checkpoint \"$VIGIL_WORK_KEY\" --checkpoint \"$n\")"
    " >/dev/null 2>&1 || [ $? -eq 3 ] || exit 1\n"
    "  sleep 0.4\n"
    "done";

// What a report means, for people; nothing when it would only distract.
std::optional<std::string> InWords(const Report& report) {
  const std::string key = report.Text("key");
  if (report.event == "registered") {
    return fmt::format("registered; coordinator {} hosts it", report.Number("coordinator"));
  }
  if (report.event == "started") return fmt::format("starts {}", key);
  if (report.event == "standing_by") {
    return fmt::format("stands by: {} belongs to {}", key, report.Text("owner_name"));
  }
  if (report.event == "claimed") {
    return fmt::format("claims {} with fence {}", key, report.Number("fence"));
  }
  if (report.event == "suspended") return "lost its coordinator; its lease is still valid";
  if (report.event == "alive") {
    return fmt::format("coordinator {} hosts it now", report.Number("coordinator"));
  }
  if (report.event == "released") return fmt::format("has stopped, and gives {} back", key);
  if (report.event == "left") return "leaves";
  if (report.event == "lost") return "is LOST";
  if (report.event == "failed" || report.event == "refused") return report.Text("message");
  return std::nullopt;
}

}  // namespace

Actor::Actor(Screen& screen, size_t number, std::string name, std::string item)
    : screen_(screen), number_(number), name_(std::move(name)), item_(std::move(item)) {}

Result<std::unique_ptr<Actor>> Actor::Enter(const VigilCluster& cluster, Screen& screen,
                                            size_t number, std::string name, std::string item,
                                            int first,
                                            std::map<std::string, std::string> environment) {
  auto vigil = FindBuilt("vigil");
  if (!vigil) return Fail(vigil.error());
  std::unique_ptr<Actor> actor(new Actor(screen, number, std::move(name), std::move(item)));
  environment.emplace("DEMO_VIGIL", *vigil);
  auto run = cluster.Run(
      {.pod = actor->name_,
       .work = actor->item_,
       .profile = "fast",
       .command = {"/bin/sh", "-c", kWork},
       .first = first,
       .environment = std::move(environment),
       .on_line = [heard = actor.get()](const Process::Line& line) { heard->Hear(line); }});
  if (!run) return Fail(run.error());
  actor->run_ = std::move(*run);
  return actor;
}

void Actor::Hear(const Process::Line& line) {
  if (const auto report = ReadReport(line)) {
    if (const auto words = InWords(*report)) screen_.Speak(number_, name_, *words);
  } else if (line.text.starts_with("step ")) {
    HearStep(std::atoi(line.text.c_str() + 5), line.at);
  }
}

void Actor::HearStep(int step, Instant at) {
  {
    std::lock_guard lock(mutex_);
    if (first_step_ == 0) first_step_ = step;
    last_step_ = step;
    stepped_.notify_all();
    if (shown_ && at - *shown_ < kBetweenSteps) return;
    shown_ = at;
  }
  screen_.Speak(number_, name_, fmt::format("{}: step {}", item_, step));
}

int Actor::first_step() const {
  std::lock_guard lock(mutex_);
  return first_step_;
}

int Actor::last_step() const {
  std::lock_guard lock(mutex_);
  return last_step_;
}

bool Actor::AwaitStep(int step, Duration within) {
  std::unique_lock lock(mutex_);
  return stepped_.wait_for(lock, within, [&] { return last_step_ >= step; });
}

}  // namespace vigil
