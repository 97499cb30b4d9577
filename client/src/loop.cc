#include "loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "mutex.h"

namespace vigil::client {
namespace {

// A timerfd and not a condition variable: the latter's clock stands still while the machine sleeps.
void Arm(int timer, Time when) {
  const auto since_boot = std::max(when.time_since_epoch(), Duration(1));  // zero would disarm
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = (since_boot - seconds).count();
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Drain(int fd) {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t n = read(fd, &ignored, sizeof ignored);
}

}  // namespace

struct Loop::State {
  State()
      : wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {}
  ~State() {
    close(wake);
    close(timer);
  }

  void Wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake, &one, sizeof one);
  }

  const int wake;
  const int timer;
  std::thread thread;

  Mutex mutex;
  bool stopping VIGIL_GUARDED_BY(mutex) = false;
  std::uint64_t last_timer VIGIL_GUARDED_BY(mutex) = 0;
  std::deque<Task> tasks VIGIL_GUARDED_BY(mutex);
  std::map<std::pair<Time, TimerId>, Task> timers VIGIL_GUARDED_BY(mutex);
  std::map<TimerId, Time> timer_times VIGIL_GUARDED_BY(mutex);
};

Loop::Loop() : state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_] { Run(state); });
}

Loop::~Loop() {
  std::deque<Task> tasks;  // destroyed after the lock: a task may own what posts here
  std::map<std::pair<Time, TimerId>, Task> timers;
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    tasks.swap(state_->tasks);
    timers.swap(state_->timers);
  }
  state_->Wake();
  if (RunsHere()) {
    state_->thread.detach();  // it ends when this task returns, and keeps its state until then
  } else {
    state_->thread.join();
  }
}

// What is posted may run at once and let somebody destroy the loop, so that from then on only the
// state may be touched. The same holds for PostAt.
void Loop::Post(Task task) {
  const auto state = state_;
  {
    MutexLock lock(state->mutex);
    if (state->stopping) return;
    state->tasks.push_back(std::move(task));
  }
  state->Wake();
}

void Loop::Flush() {
  const auto done = std::make_shared<Signal>();
  Post([done] { done->Set(); });
  done->Wait();
}

TimerId Loop::PostAt(Time when, Task task) {
  const auto state = state_;
  TimerId id;
  {
    MutexLock lock(state->mutex);
    if (state->stopping) return id;
    id = TimerId(++state->last_timer);
    state->timers.emplace(std::pair(when, id), std::move(task));
    state->timer_times.emplace(id, when);
  }
  state->Wake();
  return id;
}

void Loop::Cancel(TimerId timer) {
  Task dropped;  // destroyed after the lock
  MutexLock lock(state_->mutex);
  const auto time = state_->timer_times.find(timer);
  if (time == state_->timer_times.end()) return;
  const auto entry = state_->timers.find({time->second, timer});
  if (entry != state_->timers.end()) {
    dropped = std::move(entry->second);
    state_->timers.erase(entry);
  }
  state_->timer_times.erase(time);
}

bool Loop::RunsHere() const { return state_->thread.get_id() == std::this_thread::get_id(); }

void Loop::Run(const std::shared_ptr<State>& state) {
  sigset_t all;  // signals are the business of the program's own threads
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    Task task;
    {
      MutexLock lock(state->mutex);
      if (state->stopping) return;
      if (!state->tasks.empty()) {
        task = std::move(state->tasks.front());
        state->tasks.pop_front();
      } else if (!state->timers.empty()) {
        const auto first = state->timers.begin();
        if (first->first.first <= BootClock::now()) {
          task = std::move(first->second);
          state->timer_times.erase(first->first.second);
          state->timers.erase(first);
        } else {
          Arm(state->timer, first->first.first);
        }
      }
    }
    if (task) {
      task();
      continue;
    }
    pollfd fds[] = {{state->wake, POLLIN, 0}, {state->timer, POLLIN, 0}};
    poll(fds, 2, -1);
    for (const pollfd& fd : fds) {
      if (fd.revents != 0) Drain(fd.fd);
    }
  }
}

}  // namespace vigil::client
