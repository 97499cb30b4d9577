#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <future>
#include <memory>

#include "cli/context.h"
#include "cli/incidents.h"
#include "cli/output.h"
#include "guard/progress.h"
#include "vigil/subscription.h"

namespace vigil::client {
namespace {

// All pages, up to this many pods.
constexpr std::size_t kMostPods = 100'000;

int List(const Context& context, bool include_ended) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  PodQuery query{.ns = context.ns, .include_ended = include_ended, .page_size = 1000};
  std::vector<Pod> pods;
  do {
    auto page = client->ListPods(query);
    if (!page) return Fail(page.error());
    pods.insert(pods.end(), page->pods.begin(), page->pods.end());
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty() && pods.size() < kMostPods);
  if (context.json()) {
    Json list = Json::array();
    for (const Pod& pod : pods) list.push_back(ToJson(pod));
    PrintJson({{"pods", list}});
  } else {
    PrintPods(pods);
  }
  return kOk;
}

int Get(const Context& context, const std::string& name) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const auto pod = client->GetPod(context.ns, name);
  if (!pod) return Fail(pod.error());
  context.json() ? PrintJson(ToJson(*pod)) : PrintPods({*pod});
  return kOk;
}

bool IsAboutAPod(const Event& event) { return event.work_key.empty(); }

int Watch(const Context& context) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const Progress progress(context.json(), STDERR_FILENO);
  Incidents incidents(progress);
  std::promise<int> ended;
  Subscription subscription(
      *client, {.ns = context.ns, .start = FromNow{}},
      {.on_snapshot =
           [&](std::span<const Pod> pods, const Cursor& cursor) {
             if (!context.json()) return PrintPods({pods.begin(), pods.end()});
             Json list = Json::array();
             for (const Pod& pod : pods) list.push_back(ToJson(pod));
             PrintJson({{"kind", "SNAPSHOT"}, {"pods", list}, {"cursor", cursor.text()}});
           },
       .on_events =
           [&](std::span<const Event> events, const Cursor&) {
             incidents.OnEvents();
             for (const Event& event : events) {
               if (!IsAboutAPod(event)) continue;
               context.json() ? PrintJson(ToJson(event)) : PrintEvent(event);
             }
           },
       .on_position = [&](const Position& position) { incidents.OnPosition(position); },
       .on_interrupted = [&](const Error& why) { incidents.OnInterrupted(why); },
       .on_resumed = [&](const Resumption& resumption) { incidents.OnResumed(resumption); },
       .on_end = [&](const Error& why) { ended.set_value(Fail(why)); }});
  return ended.get_future().get();
}

}  // namespace

void AddPodsCommand(CLI::App& app, Context& context) {
  CLI::App* pods =
      app.add_subcommand("pods", "The pods of a namespace")->require_subcommand(1)->fallthrough();

  CLI::App* list = pods->add_subcommand("list", "Lists the living pods")->fallthrough();
  auto include_ended = std::make_shared<bool>(false);
  list->add_flag("--all", *include_ended, "Also the DEAD and LEFT ones that are still retained");
  list->callback([&context, include_ended] {
    context.action = [&] { return List(context, *include_ended); };
  });

  CLI::App* get = pods->add_subcommand("get", "Shows one pod")->fallthrough();
  auto name = std::make_shared<std::string>();
  get->add_option("name", *name, "The pod's name")->required();
  get->callback(
      [&context, name] { context.action = [&context, name] { return Get(context, *name); }; });

  CLI::App* watch =
      pods->add_subcommand("watch",
                           "Shows the living pods, then what becomes of them, until interrupted")
          ->fallthrough();
  watch->callback([&context] { context.action = [&context] { return Watch(context); }; });
}

}  // namespace vigil::client
