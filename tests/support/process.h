// A program that a test or a demonstration starts, listens to, and kills.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil {

// The boot clock, read.
Instant Now();

// The path of a program that was built into the same directory as the running one. An error names
// what is missing and how to build it.
Result<std::string> FindBuilt(const std::string& program);

// Waits until a process, anybody's, has ended. False when it has not within this time.
bool AwaitGone(pid_t process, Duration within);

// A child process at the head of a process group of its own, so that a ^C at the terminal does not
// reach it, with its standard output and error in pipes and nothing to read.
//
// Owns the process and a thread that reads every line as it comes, so that the child never waits
// for us. Destroying it kills the group and reaps.
//
// Thread safety: everything may be called from any thread, but the kernel kills the child when the
// thread that spawned it ends (PR_SET_PDEATHSIG): that is what keeps it from surviving a crashed
// test.
//
// It does not promise to take down what has left the process group.
class Process {
 public:
  enum class Stream { kOut, kErr };

  struct Line {
    Stream stream = Stream::kOut;
    std::string text;
    // When it was read.
    Instant at;
  };

  struct Options {
    // A path, or a name that is looked up in PATH, and its arguments.
    std::vector<std::string> command;
    // Added to our own.
    std::map<std::string, std::string> environment;
    // Called on the reading thread, a line at a time.
    std::function<void(const Line&)> on_line;
  };

  // Returns when the program runs, or with an error when it cannot.
  static Result<std::unique_ptr<Process>> Spawn(Options options);

  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // To the process alone. Nothing happens when it has ended.
  void Signal(int number);

  // Its exit code, or 128 plus the number of the signal that killed it. Nothing when it has not
  // ended within this time. Every line that it wrote before is in Lines() then.
  std::optional<int> AwaitEnd(Duration within);
  bool running();

  // The first line from number `from` on that matches, as soon as it is there. Nothing when there
  // was none within this time, or there can be none any more.
  using Match = std::function<bool(const Line&)>;
  std::optional<Line> AwaitLine(const Match& matches, Duration within, size_t from = 0);

  std::vector<Line> Lines() const;
  // What it said, for the message of a test that failed.
  std::string Transcript() const;

 private:
  struct Pipe {
    Stream stream;
    int fd;
    std::string partial;
    bool open = true;
  };

  Process(pid_t pid, int handle, int out, int err, std::function<void(const Line&)> on_line);

  void Read();
  void Drain(Pipe& pipe);
  void Add(Pipe& pipe, std::string text);
  void Reap();

  const pid_t pid_;
  const int handle_;  // pidfd
  const int stop_;    // eventfd
  const std::function<void(const Line&)> on_line_;
  // The reading thread's. Errors first, since a program tells there what its output is about.
  Pipe pipes_[2];

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Line> lines_;
  bool reaped_ = false;
  int status_ = 0;
  bool ended_ = false;   // reaped, and all that it wrote was read
  bool silent_ = false;  // no line will come any more

  std::thread reader_;
};

}  // namespace vigil
