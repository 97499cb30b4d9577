#include "conformance/store_test.h"

#include <latch>
#include <thread>

namespace vigil {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);
// Small, so that every look at a log or a table pages.
constexpr uint32_t kPage = 7;

}  // namespace

VIGIL_FOR_EVERY_STORE(StoreTest);

StoreTest::StoreTest() : world_(GetParam().make()), store_(OpenStore()) {}

void StoreTest::TearDown() {
  for (const char* ns : {kNs, "other"}) {
    EXPECT_THAT(LogViolations(EventsAfter({}, ns), AllPods(ns), AllWork(ns), transfers_),
                ::testing::IsEmpty())
        << "in the log of " << ns;
  }
}

std::unique_ptr<Store> StoreTest::OpenStore() { return world_->database().OpenStore(kDeadline); }

std::unique_ptr<LivenessSession> StoreTest::OpenSession() {
  return Must(world_->Await<std::unique_ptr<LivenessSession>>(
      [&](auto then) { world_->database().OpenLivenessSession(std::move(then)); }));
}

Host StoreTest::AddHost(Duration trust_window) {
  Host host{.session = OpenSession()};
  host.number = CoordinatorNumber{Must(world_->Await<uint64_t>(
      [&](auto then) { host.session->IssueLock(LockKind::kCoordinator, std::move(then)); }))};
  Must(store_->AddCoordinator(host.number, "127.0.0.1:7400", trust_window));
  return host;
}

SessionNumber StoreTest::IssueSession(Host& host) {
  return SessionNumber{Must(world_->Await<uint64_t>(
      [&](auto then) { host.session->IssueLock(LockKind::kSession, std::move(then)); }))};
}

void StoreTest::ReleaseLock(Host& host, LockKey key) {
  Must(world_->Await<void>([&](auto then) { host.session->ReleaseLocks({key}, std::move(then)); }));
}

void StoreTest::ReleaseSession(Host& host, SessionNumber session) {
  ReleaseLock(host, {LockKind::kSession, session.value});
}

bool StoreTest::TakeSession(Host& host, SessionNumber session) {
  auto taken = Must(world_->Await<std::vector<LockKey>>([&](auto then) {
    host.session->TakeLocks({{LockKind::kSession, session.value}}, std::move(then));
  }));
  return taken.size() == 1;
}

NewPod StoreTest::Newcomer(Host& host, const std::string& name, const std::string& ns) {
  return {.ns = ns,
          .name = name,
          .registration_id = "registration-" + std::to_string(++newcomers_),
          .session_token = "token-of-" + name,
          .lease = std::chrono::seconds(3),
          .coordinator = host.number,
          .session = IssueSession(host)};
}

Registered StoreTest::RegisterAs(const NewPod& pod) {
  auto outcome = Must(store_->Register(pod));
  auto* registered = std::get_if<Registered>(&outcome);
  if (registered == nullptr) {
    ADD_FAILURE() << "the name " << pod.name << " is taken";
    return {};
  }
  return *registered;
}

Pod StoreTest::Register(Host& host, const std::string& name, const std::string& ns) {
  return RegisterAs(Newcomer(host, name, ns)).pod;
}

Pod StoreTest::RegisterBarred(Host& host, const std::string& name) {
  NewPod pod = Newcomer(host, name);
  pod.may_claim = false;
  return RegisterAs(pod).pod;
}

Pod StoreTest::RegisterLabelled(Host& host, const std::string& name, const Labels& labels) {
  NewPod pod = Newcomer(host, name);
  pod.labels = labels;
  return RegisterAs(pod).pod;
}

ResumePod StoreTest::Returning(Host& host, const Pod& pod) {
  return {.ns = pod.ns,
          .incarnation = pod.incarnation,
          .session_token = "token-of-" + pod.name,
          .coordinator = host.number,
          .session = IssueSession(host)};
}

Pod StoreTest::RegisterFree(Host& host, const std::string& name) {
  Pod pod = Register(host, name);
  ReleaseSession(host, pod.session);
  return pod;
}

SuspicionNumber StoreTest::SuspectFree(const Host& observer, const Pod& pod) {
  auto suspicions = Must(store_->SuspectFree(observer.observer(), pod.ns, {HostedAs(pod)}));
  if (suspicions.size() != 1 || suspicions[0].pod != HostedAs(pod) || !suspicions[0].number) {
    ADD_FAILURE() << pod.name << " was not suspected";
    return {};
  }
  return suspicions[0].number;
}

void StoreTest::Kill(const Pod& pod) {
  auto dead = Must(store_->DeclareHosted(pod.ns, Cause::kStreamEnded, {HostedAs(pod)}));
  ASSERT_EQ(dead.events.size(), 1U);
  EXPECT_EQ(dead.events[0].incarnation, pod.incarnation);
}

WorkItem StoreTest::StartWork(const Pod& owner, const std::string& key, const WorkTraits& traits) {
  NewWork work = NewItem(key, owner.incarnation, "payload of " + key, owner.ns);
  work.traits = traits;
  auto started = Must(store_->StartWork(work));
  EXPECT_EQ(started.outcome, StartOutcome::kStarted);
  return started.item;
}

Result<ClaimedWork> StoreTest::Claim(const Pod& claimant, const WorkItem& seen) {
  return store_->ClaimWork({.ns = seen.ns,
                            .key = seen.key,
                            .claimant = claimant.incarnation,
                            .expected_owner = seen.owner,
                            .expected_fence = seen.fence});
}

Result<WorkItem> StoreTest::Transfer(const WorkItem& item, const std::string& to_name) {
  auto given = store_->TransferWork(HolderOf(item), to_name);
  if (given) NoteTransfer(item, *given);
  return given;
}

void StoreTest::NoteTransfer(const WorkItem& before, const WorkItem& after) {
  if (after.fence > before.fence) transfers_.emplace(after.key, after.fence);
}

WorkItem StoreTest::Item(const std::string& key) { return Must(store_->GetWork(kNs, key)); }

PodState StoreTest::StateOf(const Pod& pod) {
  for (const Pod& found : AllPods(pod.ns)) {
    if (found.incarnation == pod.incarnation) return found.state;
  }
  ADD_FAILURE() << pod.name << " is not in the table";
  return {};
}

Seq StoreTest::Head(const std::string& ns) {
  auto bounds = Must(store_->ReadBounds({ns}));
  return bounds.size() == 1 ? bounds[0].head.seq : Seq{};
}

std::vector<Event> StoreTest::EventsAfter(Seq after, const std::string& ns) {
  std::vector<Event> log;
  while (true) {
    auto page =
        Must(store_->ReadEvents(ns, log.empty() ? Position{} : log.back().position(), kPage));
    if (page.events.empty()) break;
    log.insert(log.end(), page.events.begin(), page.events.end());
  }
  std::erase_if(log, [&](const Event& event) { return event.seq <= after; });
  return log;
}

std::vector<EventKind> StoreTest::KindsAfter(Seq after) {
  std::vector<EventKind> kinds;
  for (const Event& event : EventsAfter(after)) kinds.push_back(event.kind);
  return kinds;
}

std::vector<Pod> StoreTest::AllPods(const std::string& ns) {
  std::vector<Pod> pods;
  PodPage page{.more = true};
  while (page.more) {
    page = Must(
        store_->ListPods(ns, true, pods.empty() ? Incarnation{} : pods.back().incarnation, kPage));
    pods.insert(pods.end(), page.pods.begin(), page.pods.end());
  }
  return pods;
}

std::vector<WorkItem> StoreTest::AllWork(const std::string& ns) {
  std::vector<WorkItem> items;
  WorkPage page{.more = true};
  while (page.more) {
    page = Must(store_->ListWork(ns, {.include_completed = true},
                                 items.empty() ? "" : items.back().key, kPage));
    items.insert(items.end(), page.items.begin(), page.items.end());
  }
  return items;
}

std::vector<SessionNumber> StoreTest::TakenFrom(const Host& host) {
  return Must(store_->RenewCoordinator(host.number, {})).taken;
}

void StoreTest::Together(int threads, const std::function<void(int, Store&)>& body) {
  std::latch ready(threads);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      auto own = OpenStore();
      Must(own->ReadBounds({}));  // connects
      ready.arrive_and_wait();
      body(i, *own);
    });
  }
  for (std::thread& thread : running) thread.join();
}

}  // namespace vigil
