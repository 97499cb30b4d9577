#include "task_run.h"

#include <exception>
#include <system_error>
#include <utility>

#include "keys_in_flight.h"
#include "own_error.h"
#include "runner_rules.h"

namespace vigil::client {
namespace {

constexpr std::size_t kLongestReason = 512;

Error LostAlready() {
  Error error = MakeError(Code::kCancelled, "the item is lost: nothing was sent",
                          "Stop the work; whoever has the item now goes on with it.");
  error.reason = Reason::kIncarnationEnded;
  return error;
}

template <class Answer>
std::optional<Error> ErrorOf(const Result<Answer>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

// The length of the character of UTF-8 at the beginning, or 0 when there is none.
std::size_t CharacterAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // longer than it need be
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xed && byte(1) >= 0xa0) return 0;  // half of a pair
  if (first == 0xf4 && byte(1) >= 0x90) return 0;  // beyond the last
  return length;
}

}  // namespace

std::string AsReason(std::string_view text) {
  std::string reason;
  while (!text.empty()) {
    const std::size_t length = CharacterAt(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control =
        first < 0x20 || first == 0x7f ||
        (length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
    const std::string_view next = length == 0 ? "?" : control ? " " : text.substr(0, length);
    if (reason.size() + next.size() > kLongestReason) break;
    reason += next;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return reason.empty() ? "no reason was given" : reason;
}

// --- What the function sees ---

const WorkItem& Task::item() const { return state_.item; }
Incarnation Task::incarnation() const { return state_.item.owner; }
std::stop_token Task::stop_token() const { return state_.stop.get_token(); }
std::optional<Time> Task::alive_until() const { return state_.AliveUntil(); }

Result<void> Task::Checkpoint(std::string_view checkpoint) const {
  if (!state_.AliveUntil()) {
    Error error = LostAlready();
    error.reason = Reason::kNone;
    return tl::unexpected(std::move(error));
  }
  const auto written =
      state_.work.Checkpoint(state_.item.owner, state_.item.key, state_.item.fence, checkpoint);
  if (written) return {};
  if (SaysLost(written.error())) {
    state_.lost = true;
    state_.stop.request_stop();
    state_.on_fenced();
  }
  return tl::unexpected(written.error());
}

// --- The threads ---

TaskRun::TaskRun(WorkItem item, const Work& work, const PodSession& session,
                 const WorkFunction& function, Handlers handlers)
    : state_(std::move(item), work, session), function_(function), handlers_(std::move(handlers)) {
  state_.on_fenced = handlers_.fenced;
}

TaskRun::~TaskRun() {
  if (living_.joinable()) living_.join();
}

bool TaskRun::Begin() {
  try {
    firing_ = std::thread([this] { AwaitFire(); });
    living_ = std::thread([this] { Live(); });
    return true;
  } catch (const std::system_error&) {
    fire_.Set();
    if (firing_.joinable()) firing_.join();
    return false;
  }
}

void TaskRun::Fire(bool lost) {
  if (lost) state_.lost = true;
  fire_.Set();
}

void TaskRun::Finish(TaskResult result) { Give(std::move(result)); }
void TaskRun::Forget() { Give(Forgotten{}); }

void TaskRun::AwaitFire() {
  fire_.Wait();
  state_.stop.request_stop();
}

void TaskRun::Live() {
  handlers_.returned(Call());
  for (Order order = AwaitOrder(); std::holds_alternative<TaskResult>(order);
       order = AwaitOrder()) {
    handlers_.finished(Write(std::get<TaskResult>(order)));
  }
  fire_.Set();
  firing_.join();
  handlers_.ended();
}

TaskResult TaskRun::Call() {
  const WorkItem& item = state_.item;
  // While it waits, it holds nothing that others need.
  if (!KeysInFlight::All().Begin(item.ns, item.key, state_.stop.get_token())) return GivenBack{};
  TaskResult result = GivenBack{};
  if (state_.AliveUntil()) {
    try {
      result = function_(Task(state_));
    } catch (const std::exception& thrown) {
      result = Failed{std::string("the work function threw: ") + thrown.what()};
    } catch (...) {
      result = Failed{"the work function threw"};
    }
  }
  KeysInFlight::All().End(item.ns, item.key);
  return result;
}

std::optional<Error> TaskRun::Write(const TaskResult& result) {
  if (!state_.AliveUntil()) return LostAlready();
  const Work& work = state_.work;
  const WorkItem& item = state_.item;
  if (const auto* done = std::get_if<Done>(&result)) {
    return ErrorOf(work.Complete(item.owner, item.key, item.fence, done->result));
  }
  if (const auto* failed = std::get_if<Failed>(&result)) {
    return ErrorOf(work.Fail(item.owner, item.key, item.fence, AsReason(failed->reason)));
  }
  return ErrorOf(work.Release(item.owner, item.key, item.fence));
}

void TaskRun::Give(Order order) {
  {
    MutexLock lock(mutex_);
    // What is to be forgotten is not written any more.
    order_ = std::move(order);
  }
  changed_.notify_all();
}

TaskRun::Order TaskRun::AwaitOrder() {
  MutexLock lock(mutex_);
  while (!order_) changed_.wait(mutex_);
  return *std::exchange(order_, std::nullopt);
}

}  // namespace vigil::client
