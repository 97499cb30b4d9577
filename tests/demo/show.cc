#include "show.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <utility>

#include "history/validators.h"
#include "vigil/work.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kPatience = seconds(15);
constexpr auto kNamespace = "default";
constexpr auto kPrize = "orders";  // the item that changes hands
// Within this time of a coordinator's end, whoever was wrongly suspected would be declared dead:
// the grace of FAST, the probes before and after it, and a margin.
constexpr auto kFastGraceFlag = "2s";
constexpr auto kLongestWeakDeath = seconds(4);

struct Role {
  const char* name;
  const char* item;
  int coordinator;
};
// Whoever has orders in the end shares a coordinator with another pod.
constexpr Role kRoles[] = {
    {"amber", "orders", 0},    // has it first, and is killed
    {"birch", "invoices", 1},  //
    {"cedar", "reports", 2},   //
    {"daisy", "orders", 2},    // stands by for it
    {"elm", "orders", 1},      // stands by for it
};

}  // namespace

Result<void> Show::Play() {
  screen_.Headline(
      "Vigil knows which of your processes live, and hands the work of the dead to survivors.");
  screen_.Say(
      "Now: a private Postgres and three coordinators (vigild) on it, all on this machine.");
  if (auto started = StartCluster(); !started) return started;
  if (auto started = StartPods(); !started) return started;
  if (tls_) AskForMoreThanWasGranted();
  Actor* owner = KillAnOwner();
  if (owner != nullptr) owner = LetOneLeave(*owner);
  if (owner != nullptr) KillACoordinator();
  ReadTheLogAgain();
  return {};
}

Result<void> Show::StartCluster() {
  // Better before a Postgres was started for nothing.
  if (auto vigild = FindBuilt("vigild"); !vigild) return Fail(vigild.error());
  const Instant begun = Now();
  auto postgres = pg::PrivateCluster::Start();
  if (!postgres) return Fail(postgres.error());
  postgres_ = std::move(*postgres);
  VigilCluster::Options options{.settings = {"--fast-grace", kFastGraceFlag}};
  if (tls_) {
    std::vector<std::string> names;
    for (const Role& role : kRoles) names.emplace_back(role.name);
    auto keys = Keys::Make(names);
    if (!keys) return Fail(keys.error());
    keys_.emplace(std::move(*keys));
    options.security = keys_->security();
    screen_.Say(
        "Everybody has a certificate: the pods may be pods and work, this audience may only look.");
  }
  auto cluster = VigilCluster::Start(*postgres_, std::move(options));
  if (!cluster) return Fail(cluster.error());
  cluster_ = std::move(*cluster);
  auto client = cluster_->Connect();
  if (!client) return Fail(client.error());
  client_ = *client;
  log_ = std::make_unique<EventRecorder>(*client_, kNamespace);
  screen_.Done("started a cluster");
  const bool serves = log_->AwaitStart(kPatience);
  screen_.Check(serves, "three coordinators serve one database", Now() - begun);
  return {};
}

Result<void> Show::StartPods() {
  screen_.Headline(
      "Five pods, each a `vigil run --pod NAME --work ITEM -- COMMAND`; three items to work on.");
  screen_.Say("An item has one owner at a time. daisy and elm stand by in case amber dies.");
  for (size_t i = 0; i < std::size(kRoles); ++i) {
    const Role& role = kRoles[i];
    const auto identity =
        keys_ ? keys_->EnvironmentOf(role.name) : std::map<std::string, std::string>();
    auto pod =
        Actor::Enter(*cluster_, screen_, i, role.name, role.item, role.coordinator, identity);
    if (!pod) return Fail(pod.error());
    pods_.push_back(std::move(*pod));
    // One after the other, so that amber is the one that gets orders.
    const bool stands_by = i > 2;
    if (!pods_.back()->run().Await(stands_by ? "standing_by" : "started", kPatience)) break;
  }
  bool working = pods_.size() == std::size(kRoles);
  for (size_t i = 0; i < 3 && working; ++i) working = pods_[i]->AwaitStep(4, kPatience);
  screen_.Check(working && Living().size() == std::size(kRoles),
                "five pods live: three work, two stand by");
  others_before_ = OwnersOfTheOthers();
  return {};
}

void Show::AskForMoreThanWasGranted() {
  screen_.Headline("The audience has the role read-only, and asks for work in amber's name.");
  const auto amber = client_->GetPod(kNamespace, kRoles[0].name);
  screen_.Done("asked for what is not granted");
  const auto started =
      amber ? client::Work(*client_, kNamespace).Start(amber->incarnation, "mischief", "")
            : tl::unexpected(amber.error());
  screen_.Check(!started && started.error().reason == client::Reason::kNotGranted,
                "refused: " + (started ? "not at all" : client::Describe(started.error())));
}

Actor* Show::KillAnOwner() {
  Actor& amber = *pods_.front();
  screen_.Headline("SIGKILL to amber, in the middle of its work.");
  screen_.Say("Its coordinator sees the connection break; daisy and elm hear of it, and race.");
  screen_.Done("SIGKILL to amber");
  const Instant killed = Now();
  amber.run().process().Signal(SIGKILL);
  const auto died = log_->Await(Of(client::EventKind::kPodDied, amber.name()), kPatience);
  screen_.Check(died && died->event.cause == client::Cause::kStreamEnded,
                "a subscriber hears that amber is DEAD",
                died ? std::optional(died->at - killed) : std::nullopt);
  return CheckClaim(amber, 2, killed);
}

Actor* Show::LetOneLeave(Actor& owner) {
  screen_.Headline(fmt::format("SIGTERM to {}: it is asked to go.", owner.name()));
  screen_.Done("SIGTERM to " + owner.name());
  const Instant asked = Now();
  owner.run().process().Signal(SIGTERM);
  const auto left = log_->Await(Of(client::EventKind::kPodLeft, owner.name()), kPatience);
  const auto code = owner.run().process().AwaitEnd(kPatience);
  screen_.Check(left && code == 128 + SIGTERM &&
                    log_->Count(Of(client::EventKind::kPodDied, owner.name())) == 0,
                fmt::format("{} stops its work, gives it back and has LEFT", owner.name()),
                left ? std::optional(left->at - asked) : std::nullopt);
  return CheckClaim(owner, 3, asked);
}

Actor* Show::CheckClaim(const Actor& owner, uint64_t fence, Instant since) {
  const auto claimed = log_->Await(
      [&](const client::Event& event) {
        return Claimed(kPrize)(event) && event.fence.value() >= fence;
      },
      kPatience);
  Actor* survivor = claimed ? Named(claimed->event.pod_name) : nullptr;
  const auto report = survivor ? survivor->run().Await("claimed", kPatience) : std::nullopt;
  const size_t claims = log_->Count(Claimed(kPrize));
  // The first claim made fence 2, and each later one the next.
  const bool once = report && report->Number("fence") == fence && claims == fence - 1;
  if (!once) {
    screen_.Check(false, fmt::format("exactly one survivor claims {}", kPrize));
    return nullptr;
  }
  screen_.Check(
      true,
      fmt::format("{} alone claims {}, fence {} -> {}", survivor->name(), kPrize, fence - 1, fence),
      report->At("claimed_at_ns") - since);
  const int stopped = owner.last_step();
  const bool goes_on = survivor->AwaitStep(stopped + 3, kPatience);
  // The last step that was done may be the first whose checkpoint was not noted any more.
  const int begun = survivor->first_step();
  screen_.Check(goes_on && (begun == stopped || begun == stopped + 1),
                fmt::format("{} was at step {}, {} goes on with step {}", owner.name(), stopped,
                            survivor->name(), begun));
  return survivor;
}

void Show::KillACoordinator() {
  const Hosting hosting = BusiestCoordinator();
  if (hosting.place < 0) {
    screen_.Check(false, "no coordinator hosts anybody");
    return;
  }
  const std::string coordinator =
      fmt::format("coordinator {}", cluster_->number(hosting.place).value());
  screen_.Headline(
      fmt::format("SIGKILL to {}, which hosts {}.", coordinator, fmt::join(hosting.pods, " and ")));
  screen_.Done("SIGKILL to " + coordinator);
  std::map<Actor*, int> steps;
  for (const client::Pod& pod : Living()) {
    if (Actor* actor = Named(pod.name)) steps[actor] = actor->last_step();
  }
  const size_t deaths = log_->Count(Of(client::EventKind::kPodDied));

  const Instant killed = Now();
  cluster_->coordinator(hosting.place).Signal(SIGKILL);
  size_t moved = 0;
  Instant last = killed;
  for (const std::string& pod : hosting.pods) {
    const auto event = log_->Await(Of(client::EventKind::kPodMoved, pod), kPatience);
    if (!event) continue;
    ++moved;
    last = std::max(last, event->at);
  }
  screen_.Check(
      moved == hosting.pods.size(),
      fmt::format("{} of its {} pods moved to other coordinators", moved, hosting.pods.size()),
      last - killed);
  screen_.Say(fmt::format("Is anybody declared dead who lives? Watching for {}.",
                          Shown(kLongestWeakDeath)));
  const bool died = log_->Await(
                            [&, seen = size_t{0}](const client::Event& event) mutable {
                              return event.kind == client::EventKind::kPodDied && ++seen > deaths;
                            },
                            kLongestWeakDeath)
                        .has_value();
  screen_.Check(!died && Living().size() == steps.size(),
                fmt::format("nobody died: {} pods live as before", steps.size()));
  bool working = OwnersOfTheOthers() == others_before_;
  for (const auto& [actor, step] : steps)
    working = working && actor->AwaitStep(step + 3, kPatience);
  screen_.Check(working, "all work went on; birch and cedar kept theirs throughout");
}

void Show::ReadTheLogAgain() {
  screen_.Headline("Somebody subscribes only now, and reads the event log from its beginning.");
  screen_.Done("subscribed late");
  const auto seen = log_->Events();
  EventRecorder late(*client_, kNamespace);
  const bool complete = !seen.empty() && late.AwaitSeq(seen.back().seq, kPatience);
  const auto again = late.Events();
  const bool same = again.size() >= seen.size() &&
                    std::equal(seen.begin(), seen.end(), again.begin(),
                               [](const client::Event& one, const client::Event& other) {
                                 return one.seq == other.seq && one.kind == other.kind &&
                                        one.incarnation == other.incarnation &&
                                        one.fence == other.fence;
                               });
  screen_.Check(complete && same && history::Validate(log_->History(), {}).empty(),
                fmt::format("{} events, numbered without a gap, the same for both", seen.size()));
}

// --- Looking around

Actor* Show::Named(const std::string& name) const {
  const auto found = std::find_if(pods_.begin(), pods_.end(),
                                  [&](const auto& pod) { return pod->name() == name; });
  return found == pods_.end() ? nullptr : found->get();
}

std::vector<client::Pod> Show::Living() const {
  const auto page = client_->ListPods({});
  return page ? page->pods : std::vector<client::Pod>();
}

std::string Show::OwnersOfTheOthers() const {
  const auto page = client::Work(*client_, kNamespace).List();
  std::string owners;
  if (!page) return owners;
  for (const client::WorkItem& item : page->items) {
    if (item.key == kPrize) continue;
    owners += fmt::format("{} {} {}\n", item.key, item.owner_name, item.fence.value());
  }
  return owners;
}

Show::Hosting Show::BusiestCoordinator() const {
  std::map<int, std::vector<std::string>> pods;
  for (const client::Pod& pod : Living()) {
    pods[cluster_->PlaceOf(pod.coordinator)].push_back(pod.name);
  }
  Hosting busiest;
  for (auto& [place, names] : pods) {
    if (place >= 0 && names.size() > busiest.pods.size()) busiest = {place, names};
  }
  return busiest;
}

}  // namespace vigil
