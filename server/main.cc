// vigild: flags, environment and file become a Config, a command runs, and its outcome becomes the
// exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/config.h"
#include "app/container_commands.h"
#include "app/doctor.h"
#include "app/settings_file.h"

namespace {

constexpr char kRefusedPassword[] =
    "vigild: a password on the command line can be read by everybody on this machine; "
    "use VIGIL_DATABASE, the file of --config, or a passfile";

bool OnCommandLine(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == flag || word.substr(0, flag.size() + 1) == std::string(flag) + "=") return true;
  }
  return false;
}

void AddSettings(CLI::App& command, vigil::Config& config, std::string& file) {
  command.add_option("--config", file, "file with one `name = value` a line")->type_name("");
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

// What a flag or a variable says stays as it is.
vigil::Result<void> ReadSettingsFileOf(const CLI::App& command, const std::string& file,
                                       vigil::Config& config) {
  if (command.get_option_no_throw("--config") == nullptr || command.count("--config") == 0)
    return {};
  const auto given = [&](std::string_view name) {
    return command.count("--" + std::string(name)) > 0;
  };
  return vigil::ReadSettingsFile(file, given, config);
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
  std::string file;

  auto* serve = app.add_subcommand("serve", "serve the cluster of a database, until SIGTERM");
  auto* dev = app.add_subcommand("dev", "serve on a private throw-away Postgres; needs no setting");
  auto* migrate = app.add_subcommand("migrate", "look after the schema of the database");
  auto* up = migrate->add_subcommand("up", "apply the migrations that are pending");
  auto* status = migrate->add_subcommand("status", "show all migrations");
  auto* doctor =
      app.add_subcommand("doctor", "look at all that `serve` needs: database, files, ports");
  auto* healthcheck = app.add_subcommand("healthcheck", "ask a coordinator whether it lives");
  auto* prestop = app.add_subcommand("prestop", "wait until nothing new is sent here any more");
  auto* version = app.add_subcommand("version", "show the version");
  migrate->require_subcommand(1);
  for (CLI::App* command : {serve, dev, up, status, doctor}) AddSettings(*command, config, file);
  std::string output = "text";
  doctor->add_option("-o,--output", output, "text for people or json for programs")
      ->type_name("")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str(output);
  std::string grant_to;
  up->add_option("--grant-to", grant_to,
                 "role that `serve` runs as: it is given the rights that it needs, and no others")
      ->envname("VIGIL_GRANT_TO")
      ->type_name("ROLE");
  std::string http = config.http_listen;
  bool ready = false;
  AddValue(*healthcheck, "--http", http, vigil::ReadAddress, "where it serves HTTP")
      ->envname("VIGIL_HTTP_LISTEN")
      ->default_str(http);
  healthcheck->add_flag("--ready", ready, "ask whether it is ready to serve");
  vigil::Duration delay = std::chrono::seconds(5);
  AddValue(*prestop, "--delay", delay, vigil::ReadDuration, "how long")->default_str("5s");

  CLI11_PARSE(app, argc, argv);
  for (const CLI::App* command : {serve, dev, up, status, doctor}) {
    if (const auto read = ReadSettingsFileOf(*command, file, config); !read) {
      std::fprintf(stderr, "vigild: %s. %s\n", read.error().message.c_str(),
                   read.error().hint.c_str());
      return 2;
    }
  }
  // What anybody on the machine can read in the list of processes must not be a secret.
  if (OnCommandLine(argc, argv, "--database") && vigil::MayHoldPassword(config)) {
    std::fprintf(stderr, "%s\n", kRefusedPassword);
    return 2;
  }
  if (serve->parsed()) return vigil::Serve(config);
  if (dev->parsed()) return vigil::ServeDevelopment(config);
  if (up->parsed()) return vigil::MigrateUp(config, grant_to);
  if (status->parsed()) return vigil::ShowMigrations(config);
  if (doctor->parsed()) {
    return vigil::Diagnose(
        config, output == "json" ? vigil::DoctorOutput::kJson : vigil::DoctorOutput::kText);
  }
  if (healthcheck->parsed()) return vigil::CheckHealth(http, ready);
  if (prestop->parsed()) return vigil::WaitBeforeStop(delay);
  if (version->parsed()) std::puts("vigild " VIGIL_VERSION);
  return 0;
}
