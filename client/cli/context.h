// What every command of `vigil` shares: the options before it, and the exit codes after it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/types.h"

namespace CLI {
class App;
}

namespace vigil::client {

// Documented in --help; change both.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       // the operation failed
  kUsage = 2,        // the command line or a value in it is wrong
  kUnreachable = 3,  // no coordinator could be reached, or none can do it just now
  kRefused = 4,  // refused because of the state that things are in: a lost claim, a stale fence, a
                 // taken name
  kExpired = 5,  // the log no longer has what follows the cursor
};

// The global options. A command's callback sets `action`, which main runs when all is parsed.
struct Context {
  std::string addresses = "localhost:7420";
  std::string ns = "default";
  std::string format = "table";
  bool in_order = false;
  // TLS when any of them is given; `system` names the authorities of the machine.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;
  std::string token_file;
  std::function<int()> action;

  bool json() const { return format == "json"; }
  // Puts into the environment which files say who calls, for what is started from here. Before the
  // first thread.
  void ExportCredentials() const;
  Result<Client> Connect() const;
  // With other timeouts.
  Result<Client> Connect(Duration call_timeout, Duration attempt_timeout) const;
};

ExitCode ExitCodeFor(const Error& error);
// Says on stderr what failed and what to do next. Returns the exit code for it.
int Fail(const Error& error);

// Who calls: `--incarnation`, or the living incarnation of `--pod`.
struct Caller {
  std::uint64_t incarnation = 0;
  std::string pod;

  void AddOptions(CLI::App& app);
  Result<Incarnation> Resolve(const Client& client, const std::string& ns) const;
};

void AddPodsCommand(CLI::App& app, Context& context);
void AddEventsCommand(CLI::App& app, Context& context);
void AddWorkCommand(CLI::App& app, Context& context);
void AddRunCommand(CLI::App& app, Context& context);

}  // namespace vigil::client
