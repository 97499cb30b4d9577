// The fixture of the conformance suite: one state engine, empty at first, and words for what tests
// do to it. After every test the whole log is checked against its invariants (log_invariants.h).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conformance/log_invariants.h"
#include "core/errors.h"
#include "core/labels.h"
#include "core/validate.h"
#include "support/store_world.h"

namespace vigil {

// The namespace that tests use when one is enough.
inline constexpr auto kNs = "shop";

// The interval of probes of which each has the turn.
inline constexpr Duration kDue{};

// A coordinator with its row and its lock, and one liveness session for all its locks.
struct Host {
  CoordinatorNumber number;
  std::unique_ptr<LivenessSession> session;

  Observer observer() const { return {number, session->backend()}; }
};

// The value, or a failed test and an empty value.
template <typename T>
T Must(Result<T> result) {
  if (!result) ADD_FAILURE() << result.error().reason << ": " << result.error().message;
  if constexpr (!std::is_void_v<T>) return result ? std::move(*result) : T{};
}

// Why it was refused; OK if it was not.
template <typename T>
std::string_view ReasonOf(const Result<T>& result) {
  return result ? "OK" : result.error().reason;
}

// What the refusal carries for programs; empty if there was none.
template <typename T>
auto MetadataOf(const Result<T>& result) {
  return result ? decltype(Error::metadata){} : result.error().metadata;
}

// One alone.
inline Result<Pod> ResumeOne(Store& store, const ResumePod& pod, const TellRefuted& refuted = {}) {
  return std::move(store.ResumeTogether({pod}, refuted).front());
}

inline std::string Numbered(const char* what, int number) { return what + std::to_string(number); }

inline HostedPod HostedAs(const Pod& pod) { return {pod.incarnation, pod.session}; }

// What whoever starts an item says of it: only who takes it over.
inline WorkTraits Competing(uint32_t max_adoptions = kDefaultAdoptions) {
  return {.max_adoptions = max_adoptions};
}
inline WorkTraits Sticky(Duration wait) {
  return {
      .policy = RecoveryPolicy::kSticky, .sticky_wait = wait, .max_adoptions = kDefaultAdoptions};
}
inline WorkTraits Assigned(Labels selector = {}) {
  return {.policy = RecoveryPolicy::kAssign,
          .selector = std::move(selector),
          .max_adoptions = kDefaultAdoptions};
}

inline NewWork NewItem(const std::string& key, Incarnation starter, const std::string& payload = "",
                       const std::string& ns = kNs) {
  return {.ns = ns, .key = key, .starter = starter, .payload = payload, .traits = Competing()};
}

inline OrphansClaim AnyOrphans(Incarnation claimant, uint32_t limit) {
  return {.ns = kNs, .claimant = claimant, .limit = limit};
}

// Runs the suite's tests over every state engine: `StoreTest.Claim_OneWinner/Memory`.
#define VIGIL_FOR_EVERY_STORE(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(MemoryWorlds(), PostgresWorlds()), \
                           [](const auto& test) { return test.param.name; })

class StoreTest : public ::testing::TestWithParam<StoreWorldMaker> {
 protected:
  StoreTest();
  void TearDown() override;

  StoreWorld& world() { return *world_; }
  // The store of the test's own thread.
  Store& store() { return *store_; }
  std::unique_ptr<Store> OpenStore();

  // --- Coordinators and their locks

  std::unique_ptr<LivenessSession> OpenSession();
  Host AddHost(Duration trust_window = std::chrono::seconds(15));
  SessionNumber IssueSession(Host& host);
  void ReleaseLock(Host& host, LockKey key);
  void ReleaseSession(Host& host, SessionNumber session);
  bool TakeSession(Host& host, SessionNumber session);

  // --- Pods and work

  // As a coordinator asks for it: with a session whose lock is held, and an id of its own.
  NewPod Newcomer(Host& host, const std::string& name, const std::string& ns = kNs);
  Registered RegisterAs(const NewPod& pod);
  Pod Register(Host& host, const std::string& name, const std::string& ns = kNs);
  // One that may not be given work.
  Pod RegisterBarred(Host& host, const std::string& name);
  Pod RegisterLabelled(Host& host, const std::string& name, const Labels& labels);
  ResumePod Returning(Host& host, const Pod& pod);
  // Registers a pod whose lock is free.
  Pod RegisterFree(Host& host, const std::string& name);
  SuspicionNumber SuspectFree(const Host& observer, const Pod& pod);
  void Kill(const Pod& pod);
  WorkItem StartWork(const Pod& owner, const std::string& key,
                     const WorkTraits& traits = Competing());
  Result<ClaimedWork> Claim(const Pod& claimant, const WorkItem& seen);
  // From its owner.
  Result<WorkItem> Transfer(const WorkItem& item, const std::string& to_name);
  // For the log's invariants, of a transfer that was made without the above.
  void NoteTransfer(const WorkItem& before, const WorkItem& after);

  // --- What is there

  PodState StateOf(const Pod& pod);
  Seq Head(const std::string& ns = kNs);
  std::vector<Event> EventsAfter(Seq after, const std::string& ns = kNs);
  std::vector<EventKind> KindsAfter(Seq after);
  WorkItem Item(const std::string& key);
  std::vector<Pod> AllPods(const std::string& ns = kNs);
  std::vector<WorkItem> AllWork(const std::string& ns = kNs);
  std::vector<SessionNumber> TakenFrom(const Host& host);

  // Runs the body on so many threads at once, each with an open store of its own.
  void Together(int threads, const std::function<void(int thread, Store& store)>& body);

 private:
  std::unique_ptr<StoreWorld> world_;
  std::unique_ptr<Store> store_;
  int newcomers_ = 0;
  Transfers transfers_;
};

inline WorkHolder HolderOf(const WorkItem& item) {
  return {item.ns, item.key, item.owner, item.fence};
}

inline std::vector<std::string> KeysOf(const std::vector<WorkItem>& items) {
  std::vector<std::string> keys;
  for (const WorkItem& item : items) keys.push_back(item.key);
  return keys;
}

}  // namespace vigil
