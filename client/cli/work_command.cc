#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/context.h"
#include "cli/output.h"
#include "vigil/work.h"

namespace vigil::client {
namespace {

// The options of all commands about work; each adds those that it reads.
struct WorkOptions {
  Caller caller;
  std::string key;
  std::string text;
  std::uint64_t fence = 0;
  std::uint64_t owner = 0;
  std::uint32_t limit = 10;
  bool orphans = false;
  bool claimable = false;
  bool all = false;
};

// A client, and who calls.
struct Session {
  Work work;
  Incarnation caller;
};

Result<Session> Open(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return tl::unexpected(client.error());
  const auto caller = options.caller.Resolve(*client, context.ns);
  if (!caller) return tl::unexpected(caller.error());
  return Session{Work(*client, context.ns), *caller};
}

// "-" stands for what is on stdin.
std::string TextOrStdin(const std::string& text) {
  if (text != "-") return text;
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

int Print(const Context& context, const Result<WorkItem>& item) {
  if (!item) return Fail(item.error());
  context.json() ? PrintJson(ToJson(*item)) : PrintItems({*item});
  return kOk;
}

// An outcome with the item. One that the caller did not want is a refusal.
int Print(const Context& context, std::string_view outcome, const WorkItem& item, bool wanted) {
  if (context.json()) {
    PrintJson({{"outcome", outcome}, {"item", ToJson(item)}});
  } else {
    std::printf("%s\n", std::string(outcome).c_str());
    PrintItems({item});
  }
  return wanted ? kOk : kRefused;
}

int PrintAll(const Context& context, const std::vector<WorkItem>& items) {
  if (context.json()) {
    Json list = Json::array();
    for (const WorkItem& item : items) list.push_back(ToJson(item));
    PrintJson({{"items", list}});
  } else {
    PrintItems(items);
  }
  return kOk;
}

int Start(const Context& context, const WorkOptions& options) {
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  const auto started = session->work.Start(session->caller, options.key, TextOrStdin(options.text));
  if (!started) return Fail(started.error());
  return Print(context, Name(started->outcome), started->item,
               started->outcome == StartOutcome::kStarted);
}

int List(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const Work work(*client, context.ns);
  WorkQuery query{.owner = Incarnation(options.owner),
                  .claimable_only = options.claimable,
                  .include_completed = options.all,
                  .page_size = 1000};
  constexpr std::size_t kMostItems = 100'000;
  std::vector<WorkItem> items;
  do {
    auto page = work.List(query);
    if (!page) return Fail(page.error());
    items.insert(items.end(), page->items.begin(), page->items.end());
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty() && items.size() < kMostItems);
  return PrintAll(context, items);
}

int Get(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  return Print(context, Work(*client, context.ns).Get(options.key));
}

int ClaimOne(const Context& context, const WorkOptions& options, const Session& session,
             bool expected_given) {
  Incarnation owner(options.owner);
  Fence fence(options.fence);
  if (!expected_given) {
    const auto item = session.work.Get(options.key);
    if (!item) return Fail(item.error());
    owner = item->owner;
    fence = item->fence;
  }
  const auto claimed = session.work.Claim(session.caller, options.key, owner, fence);
  if (!claimed) return Fail(claimed.error());
  return Print(context, Name(claimed->outcome), claimed->item,
               claimed->outcome == ClaimOutcome::kClaimed);
}

int Claim(const Context& context, const WorkOptions& options, bool expected_given) {
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  if (!options.orphans) return ClaimOne(context, options, *session, expected_given);
  const auto items = session->work.ClaimOrphans(session->caller, options.limit);
  return items ? PrintAll(context, *items) : Fail(items.error());
}

// For the commands of an owner.
template <class Change>
int AsOwner(const Context& context, const WorkOptions& options, Change change) {
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  return Print(context, change(*session, Fence(options.fence)));
}

using Options = std::shared_ptr<WorkOptions>;

CLI::App* AddCommand(CLI::App& work, const char* name, const char* help, const Options& options,
                     bool key_required) {
  CLI::App* command = work.add_subcommand(name, help)->fallthrough();
  CLI::Option* key =
      command->add_option("key", options->key, "The item's key")->envname("VIGIL_WORK_KEY");
  if (key_required) key->required();
  return command;
}

CLI::App* AddOwnerCommand(CLI::App& work, const char* name, const char* help,
                          const Options& options) {
  CLI::App* command = AddCommand(work, name, help, options, true);
  options->caller.AddOptions(*command);
  command->add_option("--fence", options->fence, "The fence with which the caller owns it")
      ->envname("VIGIL_FENCE")
      ->required();
  return command;
}

void AddReaders(CLI::App& work, Context& context) {
  auto options = std::make_shared<WorkOptions>();
  CLI::App* list =
      work.add_subcommand("list", "Lists the items that are not completed")->fallthrough();
  list->add_option("--owner", options->owner, "Only those of this incarnation");
  list->add_flag("--claimable", options->claimable, "Only orphans and released ones");
  list->add_flag("--all", options->all, "Also the completed ones");
  list->callback([&context, options] {
    context.action = [&context, options] { return List(context, *options); };
  });

  CLI::App* get = AddCommand(work, "get", "Shows one item", options, true);
  get->callback([&context, options] {
    context.action = [&context, options] { return Get(context, *options); };
  });
}

void AddTakers(CLI::App& work, Context& context) {
  auto start_options = std::make_shared<WorkOptions>();
  CLI::App* start = AddCommand(
      work, "start", "Starts an item for the caller; exit code 4 when it is not the caller's then",
      start_options, true);
  start_options->caller.AddOptions(*start);
  start->add_option("--payload", start_options->text,
                    "What a later owner needs to run it; - reads stdin");
  start->callback([&context, start_options] {
    context.action = [&context, start_options] { return Start(context, *start_options); };
  });

  auto claim_options = std::make_shared<WorkOptions>();
  CLI::App* claim = AddCommand(
      work, "claim", "Takes an orphan or a released item over; exit code 4 when the claim is lost",
      claim_options, false);
  claim_options->caller.AddOptions(*claim);
  CLI::Option* owner =
      claim->add_option("--expected-owner", claim_options->owner,
                        "Whom it must belong to, 0 for nobody; as it is now when not given");
  CLI::Option* fence =
      claim->add_option("--expected-fence", claim_options->fence, "The fence that it must have");
  owner->needs(fence);
  fence->needs(owner);
  CLI::Option* orphans = claim->add_flag("--orphans", claim_options->orphans,
                                         "Take as many as --limit says, instead of one by its key");
  claim->add_option("--limit", claim_options->limit, "1 to 100")
      ->needs(orphans)
      ->check(CLI::Range(1, 100));
  claim->callback([&context, claim_options, owner] {
    const bool expected_given = owner->count() > 0;
    context.action = [&context, claim_options, expected_given] {
      if (!claim_options->orphans && claim_options->key.empty()) {
        return Fail({Code::kInvalidArgument,
                     Reason::kNone,
                     "no item is named",
                     "Give a key or --orphans.",
                     {}});
      }
      return Claim(context, *claim_options, expected_given);
    };
  });
}

void AddOwners(CLI::App& work, Context& context) {
  auto options = std::make_shared<WorkOptions>();
  CLI::App* complete =
      AddOwnerCommand(work, "complete", "Completes an item of the caller's, for ever", options);
  complete->add_option("--result", options->text, "What came of it; - reads stdin");
  complete->callback([&context, options] {
    context.action = [&context, options] {
      return AsOwner(context, *options, [&](const Session& session, Fence fence) {
        return session.work.Complete(session.caller, options->key, fence,
                                     TextOrStdin(options->text));
      });
    };
  });

  auto release_options = std::make_shared<WorkOptions>();
  CLI::App* release =
      AddOwnerCommand(work, "release", "Gives an item of the caller's up", release_options);
  release->callback([&context, options = release_options] {
    context.action = [&context, options] {
      return AsOwner(context, *options, [&](const Session& session, Fence fence) {
        return session.work.Release(session.caller, options->key, fence);
      });
    };
  });

  auto checkpoint_options = std::make_shared<WorkOptions>();
  CLI::App* checkpoint = AddOwnerCommand(
      work, "checkpoint", "Notes how far an item of the caller's has come", checkpoint_options);
  checkpoint
      ->add_option("--checkpoint", checkpoint_options->text,
                   "What the next owner needs to go on; - reads stdin")
      ->required();
  checkpoint->callback([&context, options = checkpoint_options] {
    context.action = [&context, options] {
      return AsOwner(context, *options, [&](const Session& session, Fence fence) {
        return session.work.Checkpoint(session.caller, options->key, fence,
                                       TextOrStdin(options->text));
      });
    };
  });
}

}  // namespace

void AddWorkCommand(CLI::App& app, Context& context) {
  CLI::App* work = app.add_subcommand("work", "The work items of a namespace")
                       ->require_subcommand(1)
                       ->fallthrough();
  work->footer(
      "Under `vigil run` the key, the fence and the caller come from the environment: a command "
      "notes its progress with\n"
      "  vigil work checkpoint --checkpoint \"$n\"");
  AddReaders(*work, context);
  AddTakers(*work, context);
  AddOwners(*work, context);
}

}  // namespace vigil::client
