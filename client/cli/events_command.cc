#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <future>
#include <memory>

#include "cli/context.h"
#include "cli/output.h"
#include "vigil/subscription.h"

namespace vigil::client {
namespace {

struct TailOptions {
  std::string after;
  bool oldest = false;
  bool follow = false;
};

SubscriptionStart Start(const TailOptions& options) {
  if (!options.after.empty()) return Cursor(options.after);
  if (options.oldest || !options.follow) return FromOldest{};
  return FromNow{};
}

// The cursor stands on the last event of a batch only: that is where one may resume.
void Print(const Context& context, std::span<const Event> events, const Cursor& cursor) {
  for (const Event& event : events) {
    if (!context.json()) {
      PrintEvent(event);
      continue;
    }
    Json json = ToJson(event);
    if (&event == &events.back()) json["cursor"] = cursor.text();
    PrintJson(json);
  }
}

int Tail(const Context& context, const TailOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  std::promise<int> ended;
  bool over = false;  // callbacks run one at a time
  const auto end = [&](int code) {
    if (!std::exchange(over, true)) ended.set_value(code);
  };
  Subscription subscription(*client, {.ns = context.ns, .start = Start(options)},
                            {.on_snapshot =
                                 [&](std::span<const Pod>, const Cursor& cursor) {
                                   if (context.json())
                                     PrintJson({{"kind", "START"}, {"cursor", cursor.text()}});
                                 },
                             .on_events =
                                 [&](std::span<const Event> events, const Cursor& cursor) {
                                   if (!over) Print(context, events, cursor);
                                 },
                             // Nothing more to replay.
                             .on_position =
                                 [&](const Position&) {
                                   if (!options.follow) end(kOk);
                                 },
                             .on_interrupted = [](const Error& why) { Fail(why); },
                             .on_end = [&](const Error& why) { end(Fail(why)); }});
  return ended.get_future().get();
}

}  // namespace

void AddEventsCommand(CLI::App& app, Context& context) {
  CLI::App* events = app.add_subcommand("events", "The event log of a namespace")
                         ->require_subcommand(1)
                         ->fallthrough();
  CLI::App* tail =
      events
          ->add_subcommand(
              "tail",
              "Shows the events that are retained; with --follow those from now on, until "
              "interrupted")
          ->fallthrough();
  auto options = std::make_shared<TailOptions>();
  CLI::Option* after = tail->add_option("--after", options->after, "Begin after this cursor");
  tail->add_flag("--oldest", options->oldest, "Begin with the oldest event that is retained")
      ->excludes(after);
  tail->add_flag("--follow,-f", options->follow, "Go on with what happens");
  tail->callback([&context, options] {
    context.action = [&context, options] { return Tail(context, *options); };
  });
}

}  // namespace vigil::client
