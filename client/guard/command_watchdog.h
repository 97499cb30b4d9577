// The watchdog that the command of `vigil run` feeds.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// Speaks the notification protocol of systemd, which many programs know (`sd_notify`,
// `systemd-notify`): the command finds a datagram socket in NOTIFY_SOCKET and the limit in
// WATCHDOG_USEC, and sends lines; `WATCHDOG=1` feeds, `WATCHDOG=trigger` says that it is unwell,
// and all others are read and ignored. The limit counts from the command's start, so that a command
// that never feeds is taken for one that hangs.
//
// Owns the socket. Its name is an abstract one, so that nothing is left behind; a command in
// another network namespace cannot reach it. What comes from a stranger is ignored: a sender has
// the guardian's user, or is in the command's process group.
//
// Thread: one caller at a time.
class CommandWatchdog {
 public:
  // Shorter ones would judge the scheduler, not the command.
  static constexpr Duration kShortest = std::chrono::milliseconds(100);

  // Off when the limit is zero: then nothing below does anything.
  static Result<CommandWatchdog> Open(Duration limit);

  CommandWatchdog(CommandWatchdog&& other) noexcept;
  CommandWatchdog& operator=(CommandWatchdog&&) = delete;
  ~CommandWatchdog();

  // For the command.
  std::map<std::string, std::string> Environment() const;
  // Readable when there is something to read; -1 when off.
  int fd() const { return socket_; }

  // The command runs at the head of this group.
  void Begin(pid_t group, Time now);
  void End() { group_ = 0; }
  // Takes what the command has said up to now.
  void Read(Time now);
  // When the command has starved, unless it feeds. Absent when it is off, or nothing runs.
  std::optional<Time> starves_at() const;
  // What did not run cannot have fed: called after a pause of the guardian, which may have been the
  // command's as well. Counts anew.
  void Excuse(Time now) { fed_at_ = now; }

 private:
  CommandWatchdog(int socket, std::string name, Duration limit)
      : socket_(socket), name_(std::move(name)), limit_(limit) {}

  int socket_;
  std::string name_;
  Duration limit_;
  pid_t group_ = 0;
  Time fed_at_{};
  bool unwell_ = false;
};

}  // namespace vigil::client
