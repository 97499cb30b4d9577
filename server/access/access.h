// Who may do what, as the files of tokens and grants say at the moment.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/digest.h"
#include "access/grants.h"
#include "access/rights.h"
#include "access/shares.h"
#include "access/tokens.h"
#include "base/clock.h"
#include "base/error.h"

namespace vigil {

// What a caller has shown of itself.
struct Caller {
  // The names in its certificate, which was verified.
  std::vector<std::string> certified;
  // When that certificate ends; none without one.
  std::optional<Instant> certified_until = {};
  std::optional<Digest> token;
};

// The token of a header `authorization`; nothing when that is empty. What is not a bearer's token
// gives one that nobody has.
std::optional<Digest> TokenFrom(std::string_view authorization);

// What a caller may do, and as whom.
struct Permission {
  // Nobody asks: it is all the same who calls.
  bool insecure = false;
  // It has the role of an operator here.
  bool operates = false;
  // It may claim work here.
  bool claims = false;
  // What its identities are known by in session tokens; the one that the right was granted to comes
  // first. Digests, so that nobody else reads in a token who has it.
  std::vector<std::string> bindings;

  // Whether it may go on with what the identity behind this binding has begun. Nobody is behind an
  // empty one: it was begun where nobody asked, and only an operator may go on with it.
  bool Owns(std::string_view binding) const;

  // What it takes its shares as; empty where nobody asks.
  std::string_view name() const { return bindings.empty() ? std::string_view() : bindings.front(); }
};

// Asks the files again when it is told to, and keeps what was in force while one of them is not as
// it should be.
//
// Thread safety: everything may be called from any thread but Read, which is one thread's at a
// time. Whoever keeps what it was told compares `epoch` before it relies on that: a load, and no
// lock.
class Access {
 public:
  struct Files {
    // None when empty.
    std::string tokens;
    std::string grants;
  };

  // Nobody is asked who calls.
  Access() = default;
  // Nobody may do anything before Read. `clock` outlives it. Without `most` nobody gets a share.
  Access(Files files, const Clock& clock, const Shares::Most& most = {})
      : insecure_(false), files_(std::move(files)), clock_(&clock), shares_(most) {}

  // Reads the files, unless they are those that it read before, and puts them in force together if
  // they differ from what is. Error when one of them cannot be read, or is not as it should be, as
  // one that is empty; it names the file and the line, and no token. One that ends within a line
  // may be half-written, and counts when it is the same the next time.
  Result<void> Read();

  // Read, with a line in the log for what came of it; but for the same mistake once.
  void ReadAgain();

  // Grows with every change of what is in force.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  bool insecure() const { return insecure_; }

  // Whether the caller's certificate has ended since it was verified.
  bool Expired(const Caller& caller) const {
    return caller.certified_until && clock_ && clock_->Now() >= *caller.certified_until;
  }

  // Whether the caller may do this in one namespace or another: for who has not said yet in which.
  // What it takes its shares as. Errors CALLER_UNKNOWN, NOT_GRANTED.
  Result<std::string> AskAnywhere(const Caller& caller, Rpc rpc) const;

  // One more for who goes by this name (Permission::name). Nothing is counted where nobody asks.
  // Error LIMIT_REACHED.
  Result<Share> Take(ShareOf what, std::string_view name) const;

  // Errors CALLER_UNKNOWN, NOT_GRANTED.
  Result<Permission> Ask(const Caller& caller, Rpc rpc, std::string_view ns) const;

 private:
  struct InForce {
    Tokens tokens;
    Grants grants;
  };

  // By which a file that was replaced or written to is known, without reading it.
  struct FileStamp {
    ino_t inode = 0;
    off_t size = 0;
    int64_t changed_nanos = 0;
    bool operator==(const FileStamp&) const = default;
  };
  struct FileStamps {
    FileStamp tokens;
    FileStamp grants;
    bool operator==(const FileStamps&) const = default;
  };

  Result<void> ReadAll();
  static FileStamp StampOf(const std::string& file);
  std::shared_ptr<const InForce> Now() const;
  // The caller's identities, those first that have one of the rpc's roles. Errors CALLER_UNKNOWN,
  // NOT_GRANTED.
  Result<std::vector<std::string>> Granted(
      const Caller& caller, const InForce& now, Rpc rpc, std::string_view where,
      const std::function<Roles(const std::string&)>& roles_of) const;

  const bool insecure_ = true;
  const Files files_ = {};
  const Clock* const clock_ = nullptr;  // null when nobody asks
  std::array<Digest, 2> read_{};        // Read's thread
  std::array<Digest, 2> unended_{};     // seen, and waited for; Read's thread
  FileStamps stamps_;                   // what the last look saw; Read's thread
  bool settled_ = false;                // the look before it saw the same, and that was good
  std::string complained_;              // Read's thread
  mutable Shares shares_{{}};
  std::atomic<uint64_t> epoch_ = 1;
  mutable std::mutex mutex_;
  std::shared_ptr<const InForce> in_force_ = std::make_shared<InForce>();  // guarded by mutex_
};

// What a stream lives by: asked for at its beginning, and again whenever what is in force has
// changed or its certificate has ended.
//
// One thread at a time.
class Permit {
 public:
  // `access` outlives it.
  Permit(const Access& access, Caller caller, Rpc rpc, std::string ns)
      : access_(access), caller_(std::move(caller)), rpc_(rpc), ns_(std::move(ns)) {}

  // Why the caller may not go on; nothing when it may. Costs a comparison when nothing has changed,
  // and with a certificate a look at the clock.
  std::optional<Error> Refusal();

  // REQUIRES: Refusal said nothing.
  const Permission& permission() const { return permission_; }

 private:
  const Access& access_;
  const Caller caller_;
  const Rpc rpc_;
  const std::string ns_;
  uint64_t epoch_ = 0;
  Permission permission_;
};

}  // namespace vigil
