#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/labels.h"
#include "cli/tail.h"

namespace vigil::client {
namespace {

struct TailArguments {
  std::optional<std::string> after;
  bool oldest = false;
  std::vector<std::string> kinds;
  TailOptions tail;
};

// None for what is no kind. As the events show them, in upper or lower case.
std::optional<EventKind> ParseKind(const std::string& text) {
  for (int i = 1; Name(static_cast<EventKind>(i)) != Name(EventKind::kUnknown); ++i) {
    const auto kind = static_cast<EventKind>(i);
    if (CLI::detail::to_lower(text) == CLI::detail::to_lower(std::string(Name(kind)))) return kind;
  }
  return std::nullopt;
}

int Tail(const Context& context, TailArguments arguments) {
  TailOptions& tail = arguments.tail;
  if (arguments.after) {
    tail.start = Cursor(*arguments.after);
  } else if (tail.follow && !arguments.oldest) {
    tail.start = FromNow{};
  }
  for (const std::string& kind : arguments.kinds) tail.filter.kinds.push_back(*ParseKind(kind));
  return RunTail(context, tail);
}

constexpr const char* kFooter =
    "Begins with the oldest event, with --follow alone with what happens from now on. With -o json "
    "the last event of each batch\n"
    "has the `cursor` to go on from; keep the one of what you have applied, and give it back with "
    "--after.\n"
    "\n"
    "Survives lost, stalled and draining coordinators, outages of the database, and a reader that "
    "is too slow, and says so on\n"
    "stderr, once when it begins and once when it is over. SIGINT and SIGTERM end it, and the "
    "cursor to go on from is the\n"
    "last line of stderr then.\n"
    "\n"
    "Kinds: POD_REGISTERED, POD_SUSPECTED, POD_REFUTED, POD_MOVED, POD_DIED, POD_LEFT, "
    "WORK_CLAIMED, WORK_RELEASED,\n"
    "WORK_COMPLETED, WORK_QUARANTINED, in upper or lower case.\n"
    "\n"
    "Exit codes:\n"
    "  0  all is shown; or it was stopped, or nobody reads its output any more\n"
    "  2  the command line is wrong, or the cursor is none of this log\n"
    "  3  no coordinator could be reached at the start\n"
    "  5  EXPIRED: the log no longer has what follows the cursor";

}  // namespace

void AddEventsCommand(CLI::App& app, Context& context) {
  CLI::App* events = app.add_subcommand("events", "The event log of a namespace")
                         ->require_subcommand(1)
                         ->fallthrough();
  CLI::App* tail =
      events->add_subcommand("tail", "Shows the events that are retained, and those that follow")
          ->fallthrough()
          ->footer(kFooter);
  auto arguments = std::make_shared<TailArguments>();
  CLI::Option* after =
      tail->add_option("--after", arguments->after, "Begin after this cursor")->type_name("CURSOR");
  tail->add_flag("--oldest", arguments->oldest, "Begin with the oldest event that is retained")
      ->excludes(after);
  tail->add_flag("--follow,-f", arguments->tail.follow, "Go on with what happens, until stopped");
  tail->add_option("--kind", arguments->kinds,
                   "Only events of this kind; several times, or with commas, for several kinds")
      ->delimiter(',')
      ->check([](const std::string& kind) {
        return ParseKind(kind) ? std::string()
                               : "'" + kind + "' is no kind of event; --help lists them";
      })
      ->allow_extra_args(false)
      ->type_name("KIND");
  AddLabels(*tail, arguments->tail.filter.pod_labels,
            "Only events of pods with this label; several times for several labels");
  tail->add_flag("--cursors", arguments->tail.cursors,
                 "Show every new position, also while nothing happens that is shown");
  tail->callback([&context, arguments] {
    context.action = [&context, arguments] { return Tail(context, *arguments); };
  });
}

}  // namespace vigil::client
