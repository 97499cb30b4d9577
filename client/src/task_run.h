// One run of one item: the threads around a work function.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <variant>

#include "mutex.h"
#include "vigil/error.h"
#include "vigil/pod_session.h"
#include "vigil/runner.h"
#include "vigil/work.h"

namespace vigil::client {

// What a task's function and its runner share.
class Task::State {
 public:
  State(WorkItem the_item, const Work& the_work, const PodSession& the_session)
      : item(std::move(the_item)),
        work(the_work.While([this] { return AliveUntil(); })),
        session(the_session) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Nothing is sent for the item any more.
  std::optional<Time> AliveUntil() const { return lost ? std::nullopt : session.alive_until(); }

  const WorkItem item;
  // Each attempt asks again whether the item is lost.
  const Work work;
  const PodSession& session;
  std::function<void()> on_fenced;
  std::atomic<bool> lost = false;
  std::stop_source stop;
};

// Calls the function, and afterwards writes what it is told to, on a thread of its own; fires the
// stop token on another one, since that runs what the function has registered there.
//
// Thread safety: the public functions have one caller at a time, which is not a thread of its own.
// They do not block.
class TaskRun {
 public:
  // They are called on the task's thread. `ended` is the last: then destroy it.
  struct Handlers {
    std::function<void(TaskResult)> returned;
    std::function<void(std::optional<Error>)> finished;
    std::function<void()> fenced;
    std::function<void()> ended;
  };

  // The session and the function outlive it.
  TaskRun(WorkItem item, const Work& work, const PodSession& session, const WorkFunction& function,
          Handlers handlers);
  // REQUIRES: `ended` was called, or Begin failed.
  ~TaskRun();
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;

  // False when the system has no thread for it: then nothing was begun, and no handler is called.
  bool Begin();
  void Fire(bool lost);
  // REQUIRES: the function has returned.
  void Finish(TaskResult result);
  void Forget();

 private:
  struct Forgotten {};
  using Order = std::variant<TaskResult, Forgotten>;

  void Live();
  void AwaitFire();
  TaskResult Call();
  std::optional<Error> Write(const TaskResult& result);
  void Give(Order order);
  Order AwaitOrder();

  Task::State state_;
  const WorkFunction& function_;
  const Handlers handlers_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Order> order_ VIGIL_GUARDED_BY(mutex_);
  // The stop token is to fire, or need not any more.
  Signal fire_;

  std::thread firing_;
  std::thread living_;
};

// As `Work::Fail` takes it: 1 to 512 bytes of UTF-8 without control characters.
std::string AsReason(std::string_view text);

}  // namespace vigil::client
