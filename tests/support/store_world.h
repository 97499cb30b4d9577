// A state engine under test, with the loop that its callbacks run on and what can befall it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "store/database.h"

namespace vigil {

// Owns the loop, which turns only inside Turn() and Await(), on the test's thread. Destroy what the
// database opened first.
class StoreWorld {
 public:
  StoreWorld();
  virtual ~StoreWorld();

  EventLoop& loop() { return loop_; }
  virtual Database& database() = 0;

  // Ends a liveness session from outside: its holder does not know.
  virtual void EndSession(Backend backend) = 0;

  // Restarts the engine: every session ends, and the identity is another one. Stores that were open
  // fail once.
  virtual void Restart() = 0;

  // Loses the events of a namespace after `head`, as a failover to a standby does that never got
  // them. What they told of pods stays.
  virtual void LoseEvents(const std::string& ns, Seq head) = 0;

  // All that was written until now is older by so much, as if that time had passed; by less than
  // nothing it is younger, as if the wall clock had been set back.
  virtual void Age(Duration by) = 0;

  // Turns the loop until the condition holds. False: it did not within a time that is long for any
  // machine.
  bool TurnUntil(const std::function<bool()>& condition);

  // Runs what is due, without waiting.
  void Turn();

  // Turns the loop until the operation that `start` begins has answered.
  template <typename T>
  Result<T> Await(const std::function<void(Then<T>)>& start) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    start([answer](Result<T> result) { answer->emplace(std::move(result)); });
    if (!TurnUntil([&] { return answer->has_value(); })) {
      return Fail(Error{.code = Code::kDeadlineExceeded, .message = "there was no answer"});
    }
    return std::move(**answer);
  }

 private:
  EventLoop loop_;
  // Keeps the loop from ending when nothing is due.
  std::function<void()> release_;
};

// Makes worlds of one kind, each empty and apart from the others.
struct StoreWorldMaker {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const StoreWorldMaker& maker) {
  return out << maker.name;
}

StoreWorldMaker MemoryWorlds();

// On one private cluster per process, a database each.
StoreWorldMaker PostgresWorlds();

}  // namespace vigil
