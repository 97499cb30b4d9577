// A subscriber that is a process of its own: `vigil events tail`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "history/history.h"
#include "support/process.h"

namespace vigil {

// Follows the log as a script would: it applies what was printed up to the last cursor, and when
// the process has been killed it goes on from there with another one.
//
// Thread safety: one caller at a time.
class EventsTail {
 public:
  explicit EventsTail(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}

  // Starts a process, from the oldest event or after the last cursor. Fails the test if it cannot.
  void Start();
  // Kills it, and takes over what it has printed.
  void Kill();
  // Waits until it has printed everything up to this event.
  bool AwaitSeq(Seq seq, Duration within);

  // Of what was taken over.
  const history::History& History() const { return history_; }
  // What all processes have said about what they survived.
  const std::vector<std::string>& Remarks() const { return remarks_; }

 private:
  void Take(const Process::Line& line, history::EventsTold& batch);

  const std::vector<std::string> addresses_;
  std::unique_ptr<Process> process_;
  std::string cursor_;
  history::History history_;
  std::vector<std::string> remarks_;
};

}  // namespace vigil
