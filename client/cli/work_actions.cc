#include "cli/work_actions.h"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <vector>

#include "cli/output.h"

namespace vigil::client {
namespace {

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

std::string TextOrStdin(const std::string& text) {
  if (text != "-") return text;
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

int FailUsage(const char* message, const char* hint) {
  return Fail({Code::kInvalidArgument, Reason::kNone, message, hint, {}});
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

int ClaimOne(const Context& context, const WorkOptions& options, const Session& session) {
  Incarnation owner(options.owner);
  Fence fence(options.fence);
  if (!options.expected_given) {
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

// For the commands of an owner.
template <class Change>
int AsOwner(const Context& context, const WorkOptions& options, Change change) {
  if (options.fence == 0) {
    return FailUsage("the fence with which the caller owns the item is not given",
                     "Give --fence, or run the command under `vigil run`.");
  }
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  return Print(context, change(*session, Fence(options.fence)));
}

// With the fence that it has now, unless one is given.
int ReleaseQuarantined(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const Work work(*client, context.ns);
  Fence fence(options.fence);
  if (!fence) {
    const auto item = work.Get(options.key);
    if (!item) return Fail(item.error());
    fence = item->fence;
  }
  return Print(context, work.ReleaseQuarantined(options.key, fence));
}

}  // namespace

int ListWork(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const Work work(*client, context.ns);
  WorkQuery query{.owner = Incarnation(options.owner),
                  .claimable_only = options.claimable,
                  .include_completed = options.all,
                  .quarantined_only = options.quarantined,
                  .choice = options.choice,
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

int GetWork(const Context& context, const WorkOptions& options) {
  const auto client = context.Connect();
  if (!client) return Fail(client.error());
  const auto item = Work(*client, context.ns).Get(options.key);
  if (!item) return Fail(item.error());
  context.json() ? PrintJson(ToJson(*item)) : PrintItem(*item);
  return kOk;
}

int StartWork(const Context& context, const WorkOptions& options) {
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  const auto started =
      session->work.Start(session->caller, options.key, TextOrStdin(options.text), options.traits);
  if (!started) return Fail(started.error());
  return Print(context, Name(started->outcome), started->item,
               started->outcome == StartOutcome::kStarted);
}

int ClaimWork(const Context& context, const WorkOptions& options) {
  if (!options.orphans && options.key.empty()) {
    return FailUsage("no item is named", "Give a key or --orphans.");
  }
  const auto session = Open(context, options);
  if (!session) return Fail(session.error());
  if (!options.orphans) return ClaimOne(context, options, *session);
  const auto items = session->work.ClaimOrphans(session->caller, options.limit, options.choice);
  return items ? PrintAll(context, *items) : Fail(items.error());
}

int CheckpointWork(const Context& context, const WorkOptions& options) {
  return AsOwner(context, options, [&](const Session& session, Fence fence) {
    return session.work.Checkpoint(session.caller, options.key, fence, TextOrStdin(options.text));
  });
}

int CompleteWork(const Context& context, const WorkOptions& options) {
  return AsOwner(context, options, [&](const Session& session, Fence fence) {
    return session.work.Complete(session.caller, options.key, fence, TextOrStdin(options.text));
  });
}

int ReleaseWork(const Context& context, const WorkOptions& options) {
  if (options.quarantined) return ReleaseQuarantined(context, options);
  return AsOwner(context, options, [&](const Session& session, Fence fence) {
    return session.work.Release(session.caller, options.key, fence);
  });
}

int FailWork(const Context& context, const WorkOptions& options) {
  return AsOwner(context, options, [&](const Session& session, Fence fence) {
    return session.work.Fail(session.caller, options.key, fence, options.reason);
  });
}

int TransferWork(const Context& context, const WorkOptions& options) {
  return AsOwner(context, options, [&](const Session& session, Fence fence) {
    return session.work.Transfer(session.caller, options.key, fence, options.to);
  });
}

}  // namespace vigil::client
