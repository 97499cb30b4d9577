// The command line: options, and the exit code.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <cstdlib>

#include "cli/context.h"
#include "cli/output.h"

namespace vigil::client {
namespace {

constexpr const char* kFooter =
    "Exit codes (vigil run --help has more for that command):\n"
    "  0  done\n"
    "  1  the operation failed\n"
    "  2  the command line, or a value in it, is wrong\n"
    "  3  no coordinator could be reached, or none can do it just now\n"
    "  4  refused because of how things stand: a lost claim, a stale fence, a taken name\n"
    "  5  the log no longer has what follows the cursor";

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_option("--address", context.addresses, "The coordinators, HOST:PORT,HOST:PORT")
      ->envname("VIGIL_ADDRESS")
      ->capture_default_str();
  app.add_option("--namespace,-n", context.ns, "The namespace")
      ->envname("VIGIL_NAMESPACE")
      ->capture_default_str();
  app.add_option("--output,-o", context.format, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_flag("--in-order", context.in_order,
               "Try the addresses in the order given, not in a random one");
}

void AddCredentials(CLI::App& app, Context& context) {
  app.add_option("--tls-ca", context.tls_ca,
                 "Use TLS, with the authorities of this file, or of the machine (system)")
      ->envname("VIGIL_TLS_CA");
  app.add_option("--tls-cert", context.tls_cert, "Use TLS, and show the certificate of this file")
      ->envname("VIGIL_TLS_CERT");
  app.add_option("--tls-key", context.tls_key, "The file with its key")->envname("VIGIL_TLS_KEY");
  app.add_option("--tls-server-name", context.tls_server_name,
                 "Use TLS, and have the coordinators' certificates name this")
      ->envname("VIGIL_TLS_SERVER_NAME");
  app.add_option("--token-file", context.token_file, "The file with the token to show")
      ->envname("VIGIL_TOKEN_FILE");
}

void AddVersionCommand(CLI::App& app, Context& context) {
  app.add_subcommand("version", "Shows the version")->fallthrough()->callback([&context] {
    context.action = [&context] {
      context.json() ? PrintJson({{"version", VIGIL_VERSION}})
                     : static_cast<void>(std::printf("vigil %s\n", VIGIL_VERSION));
      return static_cast<int>(kOk);
    };
  });
}

int Main(int argc, char** argv) {
  Context context;
  CLI::App app("vigil: which pods live, and who runs their work");
  app.footer(kFooter);
  app.require_subcommand(1);
  AddGlobalOptions(app, context);
  AddCredentials(app, context);
  AddPodsCommand(app, context);
  AddEventsCommand(app, context);
  AddWorkCommand(app, context);
  AddRunCommand(app, context);
  AddVersionCommand(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // how CLI11 says --help, too
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return context.action();
}

}  // namespace
}  // namespace vigil::client

int main(int argc, char** argv) { return vigil::client::Main(argc, argv); }
