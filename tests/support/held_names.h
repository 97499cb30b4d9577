// Names of hosts whose look-up a test holds up.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "pg/names.h"

namespace vigil {

// Every name leads to 127.0.0.1, unless the test says something else. Thread-safe.
class HeldNames {
 public:
  ~HeldNames() { Release(); }

  pg::Names names() {
    return pg::Names([state = state_](const std::string& name) {
      std::unique_lock lock(state->mutex);
      ++state->asked[name];
      state->changed.wait(lock, [&] { return !state->held.contains(name); });
      const auto found = state->answers.find(name);
      return found == state->answers.end() ? pg::NameAnswer{{"127.0.0.1"}, ""} : found->second;
    });
  }

  void Answer(const std::string& name, pg::NameAnswer answer) {
    const std::lock_guard lock(state_->mutex);
    state_->answers[name] = std::move(answer);
  }
  // Its look-ups do not end from now on, until Release.
  void Hold(const std::string& name) {
    const std::lock_guard lock(state_->mutex);
    state_->held.insert(name);
  }
  void Release() {
    {
      const std::lock_guard lock(state_->mutex);
      state_->held.clear();
    }
    state_->changed.notify_all();
  }

  // How often the name was looked up.
  int asked(const std::string& name) const {
    const std::lock_guard lock(state_->mutex);
    return state_->asked[name];
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> held;
    std::map<std::string, pg::NameAnswer> answers;
    std::map<std::string, int> asked;
  };
  // The look-ups outlive the test.
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace vigil
