// How a program runs work items: those that it submits, and those that others leave behind.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/pod_session.h"
#include "vigil/types.h"
#include "vigil/work.h"

namespace vigil::client {

// What a work function has made of its item.
struct Done {  // It is completed, for ever, with at most 64 KiB.
  std::string result;
};
struct Failed {  // It could not be done. After the `failure_pause` it counts as an adoption, so
                 // that poison is quarantined.
  std::string reason;
};
struct GivenBack {};  // It is released: others may have it.
// Nobody runs it until the pod has left, or died. What follows, its policy says. At 10,000 of them
// a runner begins nothing more, and `on_trouble` is told RESOURCE_EXHAUSTED.
struct Kept {};
using TaskResult = std::variant<Done, Failed, GivenBack, Kept>;

// An item in the hands of its work function.
//
// Thread safety: everything may be called from any thread, for as long as the function runs.
class Task {
 public:
  // As it was when the pod got it: with the payload, and the last owner's checkpoint.
  const WorkItem& item() const;
  // Attach it to everything that the work writes.
  Fence fence() const { return item().fence; }
  // The pod's.
  Incarnation incarnation() const;

  // Fires when the function is to return soon: the item is lost (the pod is LOST, or somebody else
  // has the item by now), or the runner stops. When the item is not lost there is time for a last
  // checkpoint. A std::stop_callback runs on a thread of this task's own.
  std::stop_token stop_token() const;
  // Until when the item is surely nobody else's: nothing once it is lost. Ask it before every step
  // that others must not see from a former owner. Lock-free.
  std::optional<Time> alive_until() const;

  // Replaces the item's checkpoint. At most 64 KiB. Once the item is lost nothing is sent, and the
  // error is CANCELLED; a refusal that says so (FENCED) makes it lost. May block for the client's
  // `call_timeout`.
  Result<void> Checkpoint(std::string_view checkpoint) const;

 private:
  friend class TaskRun;
  class State;
  explicit Task(State& state) : state_(state) {}

  State& state_;
};

// Runs on a thread of its own. It returns when the work is done, and soon after the stop token has
// fired; by then everything that it had begun (threads, processes) has ended. What it throws is
// a failure.
using WorkFunction = std::function<TaskResult(const Task&)>;

// How a runner came by an item.
struct Ownership {
  WorkItem item;
  // By a claim, as opposed to a start, or an assignment or transfer by others.
  bool claimed = false;
  Incarnation previous_owner;
  // Of an item that was stood by for: the event that made it claimable, when one did, and when it
  // arrived.
  EventKind event = EventKind::kUnknown;
  Time event_at{};
  Time owned_at{};
};

// What became of an item whose function has returned.
enum class TaskEnd { kCompleted = 1, kFailed = 2, kReleased = 3, kKept = 4, kLost = 5 };

// The end of a runner.
struct RunnerEnd {
  // kLeft after a stop, else kLost or kRefused.
  SelfState state = SelfState::kLeft;
  // A coordinator has confirmed that the pod has left; after LOST, too.
  bool left = false;
  // Why it is LOST or refused, or could not leave.
  std::optional<Error> why;
  // Items whose functions had not returned in time. Not empty: it is no end yet; see Stop.
  std::vector<std::string> unreturned;
};

// One pod, many items: it registers, takes over what the dead have left, runs each item in the
// function of its kind, and hands everything over when it stops.
//
// Example:
//
//     Runner runner(*client, {.pod = {.name = "importer-1"},
//                             .functions = {{"import", [](const Task& task) -> TaskResult {
//                               Rows rows(task.item().payload, task.item().checkpoint);
//                               while (rows.Next()) {
//                                 if (task.stop_token().stop_requested()) return GivenBack{};
//                                 rows.Write(task.fence());
//                                 task.Checkpoint(rows.position());
//                               }
//                               return Done{rows.Summary()};
//                             }}},
//                             .concurrency = 4});
//     auto submitted = runner.Submit("import-7", "s3://bucket/7", {.kind = "import"});
//     WaitForSigterm();
//     if (!runner.Stop(std::chrono::seconds(20)).unreturned.empty()) std::_Exit(1);
//
// It comes by items in four ways, and no other: `Submit` and `StandBy`; ClaimOrphans, which takes
// nothing from the living (at the start, when a pod has ended or an item was released, and at
// a slow poll; by one, two, four and so on, at random moments, so that the survivors share);
// assignments and transfers by others, which events tell; and what its predecessors of the name
// have left.
//
// Guarantees:
//   1. At most `concurrency` functions run at once.
//   2. A key's function does not begin before an earlier one of the same namespace and key has
//   returned, in this whole process, whatever became of its item meanwhile.
//   3. A function begins after its item is the pod's, and what it returns is written after it has
//   returned. The pod leaves when all have returned.
//   4. The stop tokens fire at LOST: a stop margin before the lease ends, and so in STRICT before
//   anybody else can have the items. At once when an item turns out to be somebody else's.
//   5. Nothing is begun to be written for an item after it was lost. What was under way then, the
//   fence judges.
//
// When the pod is LOST the runner is over, when all functions have returned: a new runner is a new
// incarnation, and whether to begin one is for the application to say. What it had is found again
// like everything that the dead leave.
//
// Owns the PodSession, a Subscription, a few threads of its own, and two for each item that runs. A
// call that hangs, and a function that does, hold up nothing but themselves.
//
// Thread safety: everything may be called from any thread but a callback's or function's. The
// destructor stops the runner and waits for the functions, however long they take.
//
// Error handling: what can pass is tried again and told to `on_trouble`. The end tells the rest.
//
// It does not promise that a function stops when its token fires. The fence is what refuses late
// writes, where the application compares it.
class Runner {
 public:
  struct Options {
    PodSession::Options pod;
    // By kind. That of the kind "" runs whatever has no other. At most 32.
    std::map<std::string, WorkFunction> functions;
    // 1 to 1,000.
    std::uint32_t concurrency = 1;
    // Whether to run also what others leave behind, assign or transfer to this pod.
    bool takes_over = true;
    // Only orphans that have all of these labels, at most 32; and what an earlier incarnation of
    // the name had, whatever its labels. Their kinds are those of the functions.
    std::map<std::string, std::string> labels;
    // Between two looks for what no event tells, 100 ms to a day; a random half to whole.
    Duration poll_interval = std::chrono::seconds(10);
    // How long an item that has failed is kept before that is written, so that what fails at once
    // is not quarantined within seconds; doubled for each of its adoptions, up to a minute, of
    // which a random half to whole. Others of the runner's items run meanwhile. None when zero.
    Duration failure_pause = std::chrono::seconds(1);
  };

  // For logs. They run one at a time, on a thread of their own; one that blocks delays the others.
  // At most 1,000 wait for their turn: how many are left out then, `on_trouble` is told in their
  // place (RESOURCE_EXHAUSTED). `on_over` is never left out.
  struct Callbacks {
    PodSession::Callbacks pod;
    // The function begins.
    std::function<void(const Ownership&)> on_owned;
    // The error says why an item was lost, or could not be completed.
    std::function<void(const WorkItem&, TaskEnd, const std::optional<Error>&)> on_ended;
    // A living pod has an item that is stood by for; again when the owner changes.
    std::function<void(const WorkItem&)> on_standing_by;
    // Somebody has completed an item that was stood by for.
    std::function<void(const WorkItem&)> on_completed_elsewhere;
    // Something failed. It is tried again, if that can help.
    std::function<void(const Error&)> on_trouble;
    // The runner is over.
    std::function<void(const RunnerEnd&)> on_over;
  };

  // Begins to register. Returns at once. A mistake in the options is a refusal.
  Runner(const Client& client, Options options) : Runner(client, std::move(options), Callbacks()) {}
  Runner(const Client& client, Options options, Callbacks callbacks);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // As PodSession has them.
  Result<Registration> AwaitRegistration();
  std::optional<Time> alive_until() const;
  Standing standing() const;
  void Feed() noexcept;

  // Starts an item, which runs here as soon as a function may begin; unless somebody else has it,
  // as the outcome says. Waits for the registration. CANCELLED when the runner stops,
  // RESOURCE_EXHAUSTED when 10,000 items wait, or are kept, here. After an error that another try
  // may mend, the item may have been started: then it runs here, too.
  Result<Started> Submit(std::string_view key, std::string_view payload = {},
                         const WorkTraits& traits = {});

  // Starts the item or, while a living pod has it, stands by and takes it at the very event that
  // makes it claimable, or as soon as a function may begin. Over when it was had once, or completed
  // by others. Returns at once; of more than 10,000 `on_trouble` is told RESOURCE_EXHAUSTED.
  void StandBy(std::string key, std::string payload = {}, WorkTraits traits = {});

  // Hands everything over: nothing new begins, the tokens fire, and each function's result is
  // written. What it gives back, and what waits to run, is released; but ASSIGN and STICKY items
  // are kept until the pod has left, since others are to have those. Then it leaves.
  //
  // Until it has left, coordinators may assign items to it, and the more of them the fewer it has.
  // Released, they would come again; so these, too, are kept. Where items are ASSIGN, let `timeout`
  // be no longer than they can wait, and then end the process.
  //
  // A function that has not returned within `timeout` is reported in `unreturned`, and the pod goes
  // on living, so that nobody else gets that item while it runs here. What to do then is to end the
  // process, without a destructor (std::_Exit): to the cluster that is a crash. If the function
  // does return, the end comes by itself.
  RunnerEnd Stop(Duration timeout);

  // The same, without waiting.
  void BeginStop(Duration timeout);

  // Blocks until the runner is over, or has reported what has not returned.
  RunnerEnd Wait();

 private:
  class Driver;
  std::unique_ptr<Driver> driver_;
};

// "COMPLETED", "LOST"
std::string_view Name(TaskEnd end);

}  // namespace vigil::client
