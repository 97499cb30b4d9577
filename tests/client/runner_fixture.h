// A runner with real threads, against scripted coordinators.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "client/journal.h"
#include "client/scripted_coordinator.h"
#include "vigil/runner.h"

namespace vigil::client {

// What a function does until its stop token fires.
inline TaskResult UntilStopped(const Task& task, TaskResult result = GivenBack{}) {
  std::mutex mutex;
  std::condition_variable_any fired;
  std::unique_lock lock(mutex);
  fired.wait(lock, task.stop_token(), [] { return false; });
  return result;
}

// A door that functions wait behind.
class Gate {
 public:
  void Open() {
    {
      std::lock_guard lock(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

struct Happening {
  std::string what;
  std::string key;
};

class RunnerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Runner> Run(std::string name, std::map<std::string, WorkFunction> functions,
                              std::uint32_t concurrency = 4) {
    Runner::Options options;
    options.pod.name = std::move(name);
    options.functions = std::move(functions);
    options.concurrency = concurrency;
    options.poll_interval = std::chrono::milliseconds(500);
    options.failure_pause = std::chrono::milliseconds(100);
    auto runner = std::make_unique<Runner>(
        Connect({&a_}), std::move(options),
        Runner::Callbacks{
            .pod = {.on_change =
                        [this](const Standing& s) {
                          journal_.Add({std::string(Name(s.state)), ""});
                        }},
            .on_ended = [this](const WorkItem& item, TaskEnd end, const std::optional<Error>&) {
              journal_.Add({std::string(Name(end)), item.key});
            }});
    EXPECT_TRUE(runner->AwaitRegistration());
    return runner;
  }

  // Notes that it runs, and then does this.
  WorkFunction Noted(WorkFunction then = [](const Task& task) { return UntilStopped(task); }) {
    return [this, then = std::move(then)](const Task& task) {
      journal_.Add({"runs", task.item().key});
      return then(task);
    };
  }

  bool Await(const std::string& what, const std::string& key) {
    return journal_
        .Await([&](const Happening& seen) { return seen.what == what && seen.key == key; })
        .has_value();
  }
  bool Happened(const std::string& what, const std::string& key) const {
    const auto all = journal_.all();
    return std::any_of(all.begin(), all.end(),
                       [&](const Happening& seen) { return seen.what == what && seen.key == key; });
  }

  std::uint64_t RegisterOther(const std::string& name) {
    v1::Register request;
    request.set_name(name);
    request.set_registration_id(name);
    return cluster_.Register(request, 1).incarnation();
  }
  void StartFor(std::uint64_t owner, const std::string& key, const std::string& kind = "",
                v1::RecoveryPolicy policy = v1::RECOVERY_POLICY_COMPETE) {
    v1::StartWorkRequest request;
    request.set_namespace_("default");
    request.set_key(key);
    request.set_kind(kind);
    request.set_policy(policy);
    request.set_incarnation(owner);
    v1::StartWorkResponse response;
    ASSERT_TRUE(cluster_.Start(request, response).ok());
  }
  // Released; or an orphan of a pod that has left, where a claim of its own that was under way took
  // it again.
  bool IsHandedOver(const std::string& key) {
    const auto item = cluster_.FindItem(key);
    return item->state() == v1::WORK_STATE_RELEASED ||
           (item->state() == v1::WORK_STATE_OWNED &&
            cluster_.Find(item->owner())->state() == v1::POD_STATE_LEFT);
  }
  v1::PodState StateOf(const std::string& name) { return cluster_.FindByName(name)->state(); }
  std::uint64_t IncarnationOf(const std::string& name) {
    return cluster_.FindByName(name)->incarnation();
  }
  // The cluster declares the pod dead, and tells it.
  void Kill(const std::string& name) {
    cluster_.End(IncarnationOf(name), v1::POD_STATE_DEAD);
    a_.BreakStreams();
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  Journal<Happening> journal_;
};

}  // namespace vigil::client
