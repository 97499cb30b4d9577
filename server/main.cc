// vigild: flags, environment and file become a Config, a command runs, and its outcome becomes the
// exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/config.h"
#include "app/container_commands.h"

namespace {

// What anybody on the machine can read in the list of processes must not be a secret.
std::string RefuseSecret(const std::string& database) {
  const size_t scheme = database.find("://");
  const size_t at = database.find('@');
  const size_t colon = scheme == std::string::npos ? scheme : database.find(':', scheme + 3);
  const bool in_uri = at != std::string::npos && colon != std::string::npos && colon < at;
  if (!in_uri && database.find("password") == std::string::npos) return "";
  return "a password on the command line can be read by everybody on this machine; "
         "use VIGIL_DATABASE, the file of --config, or a passfile";
}

bool OnCommandLine(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == flag || word.substr(0, flag.size() + 1) == std::string(flag) + "=") return true;
  }
  return false;
}

void AddSettings(CLI::App& command, vigil::Config& config) {
  command.set_config("--config", "", "file with one `name = value` a line");
  for (const vigil::Setting& setting : vigil::Settings()) {
    command
        .add_option_function<std::string>(
            setting.flag(),
            [&config, &setting](const std::string& text) { setting.read(config, text); },
            setting.meaning)
        ->envname(setting.environment())
        ->type_name("")
        ->default_str(setting.fallback)
        ->check([&setting](const std::string& text) {
          vigil::Config scratch;
          const std::string expected = setting.read(scratch, text);
          return expected.empty() ? expected : fmt::format("'{}' is not {}", text, expected);
        });
  }
}

// An option whose text the reader takes into the target, or refuses with what it expected.
template <typename T>
CLI::Option* AddValue(CLI::App& command, const std::string& flag, T& target,
                      std::string (*read)(T& target, const std::string& text),
                      const std::string& meaning) {
  return command
      .add_option_function<std::string>(
          flag, [&target, read](const std::string& text) { read(target, text); }, meaning)
      ->type_name("")
      ->check([read](const std::string& text) {
        T scratch{};
        const std::string expected = read(scratch, text);
        return expected.empty() ? expected : fmt::format("'{}' is not {}", text, expected);
      });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("vigild: a cluster liveness coordinator on PostgreSQL", "vigild");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 success, 1 failure, 2 and above wrong usage. Run `vigild dev` to try it.");
  vigil::Config config;

  auto* serve = app.add_subcommand("serve", "serve the cluster of a database, until SIGTERM");
  auto* dev = app.add_subcommand("dev", "serve on a private throw-away Postgres; needs no setting");
  auto* migrate = app.add_subcommand("migrate", "look after the schema of the database");
  auto* up = migrate->add_subcommand("up", "apply the migrations that are pending");
  auto* status = migrate->add_subcommand("status", "show all migrations");
  auto* healthcheck = app.add_subcommand("healthcheck", "ask a coordinator whether it lives");
  auto* prestop = app.add_subcommand("prestop", "wait until nothing new is sent here any more");
  auto* version = app.add_subcommand("version", "show the version");
  migrate->require_subcommand(1);
  for (CLI::App* command : {serve, dev, up, status}) AddSettings(*command, config);
  std::string http = config.http_listen;
  bool ready = false;
  AddValue(*healthcheck, "--http", http, vigil::ReadAddress, "where it serves HTTP")
      ->envname("VIGIL_HTTP_LISTEN")
      ->default_str(http);
  healthcheck->add_flag("--ready", ready, "ask whether it is ready to serve");
  vigil::Duration delay = std::chrono::seconds(5);
  AddValue(*prestop, "--delay", delay, vigil::ReadDuration, "how long")->default_str("5s");

  CLI11_PARSE(app, argc, argv);
  if (OnCommandLine(argc, argv, "--database")) {
    if (const std::string refusal = RefuseSecret(config.database); !refusal.empty()) {
      std::fprintf(stderr, "vigild: %s\n", refusal.c_str());
      return 2;
    }
  }
  if (serve->parsed()) return vigil::Serve(config);
  if (dev->parsed()) return vigil::ServeDevelopment(config);
  if (up->parsed()) return vigil::MigrateUp(config);
  if (status->parsed()) return vigil::ShowMigrations(config);
  if (healthcheck->parsed()) return vigil::CheckHealth(http, ready);
  if (prestop->parsed()) return vigil::WaitBeforeStop(delay);
  if (version->parsed()) std::puts("vigild " VIGIL_VERSION);
  return 0;
}
