// The look-up of hosts' names, which takes as long as the name servers let it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/host_list.h"

namespace vigil::pg {

struct NameAnswer {
  std::vector<std::string> addresses;
  // Why there are none.
  std::string fault;
};

// As the system says (getaddrinfo). Blocks, for whatever time.
NameAnswer LookUp(const std::string& name);

// Looks names up on threads of its own, one for each name whoever asks, for at most 16 at once; the
// others wait for one of them. A look-up cannot be stopped: who asked goes on without it, and its
// thread ends when it is answered, if need be after everything else. Nothing is remembered: who
// asks later asks the name servers.
//
// Copies share the threads. Thread-safe.
class Names {
 public:
  using Answers = std::function<NameAnswer(const std::string& name)>;
  explicit Names(Answers look_up = LookUp);

  // What one attempt to connect wants to know.
  class Question;

  // Nothing is asked about sockets, addresses, and hosts with an address beside the name. Whenever
  // a name is answered, `tell` is called by another thread and under a lock, so that it shall but
  // post; and not after the question was destroyed.
  std::unique_ptr<Question> Ask(HostList hosts, std::function<void()> tell) const;

  // Waits for all of the names, up to half of the time; and from then on for the first one that can
  // be tried. Error DATABASE_UNAVAILABLE: there was none until the deadline.
  Result<HostList> Resolve(HostList hosts, Instant deadline) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Any thread.
class Names::Question {
 public:
  Question(std::shared_ptr<State> state, HostList hosts, std::function<void()> tell);
  ~Question();
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // Every name has its answer.
  bool Complete() const;

  // The hosts that can be tried, each address of a name as one of its own beside the name. Error
  // DATABASE_UNAVAILABLE: none, so far; why.
  Result<HostList> Found() const;

 private:
  friend class Names;
  // Under the lock.
  bool IsComplete() const;
  Result<HostList> FoundNow() const;

  const std::shared_ptr<State> state_;
  const HostList hosts_;
  const std::function<void()> tell_;
  std::map<std::string, std::optional<NameAnswer>> answers_;  // guarded by state_->mutex
};

}  // namespace vigil::pg
