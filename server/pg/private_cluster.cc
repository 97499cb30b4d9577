#include "pg/private_cluster.h"

#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>

#include "base/free_port.h"
#include "pg/cluster_guardian.h"
#include "pg/connection.h"

namespace vigil::pg {
namespace {

namespace fs = std::filesystem;

constexpr int kPortAttempts = 5;
constexpr int kPollMilliseconds = 5;
// A Unix socket's path has at most 107 bytes; this leaves room for its name.
constexpr size_t kLongestDirectory = 80;

Error Unstartable(std::string message, std::string hint) {
  return {Code::kFailedPrecondition, kDatabaseUnavailable, std::move(message), std::move(hint), {}};
}

Error TooSlow(const std::string& log) {
  return Unstartable("Postgres took too long to start: " + log,
                     "Try again when the machine is less busy.");
}

bool HasServer(const fs::path& directory) {
  return access((directory / "postgres").c_str(), X_OK) == 0 &&
         access((directory / "initdb").c_str(), X_OK) == 0;
}

// The newest of Debian's versions, by number.
std::optional<fs::path> NewestPackaged() {
  std::optional<fs::path> newest;
  int newest_version = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > newest_version && HasServer(entry.path() / "bin")) {
      newest_version = version;
      newest = entry.path() / "bin";
    }
  }
  return newest;
}

Result<std::string> FindBinaries() {
  if (const char* chosen = std::getenv("VIGIL_PG_BIN"); chosen != nullptr && *chosen != '\0') {
    if (HasServer(chosen)) return std::string(chosen);
    return Fail(Unstartable(fmt::format("VIGIL_PG_BIN={} has no postgres and initdb", chosen),
                            "Set it to the directory of the server's binaries, or unset it."));
  }
  if (const auto packaged = NewestPackaged()) return packaged->string();
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (!directory.empty() && HasServer(directory)) return directory;
  }
  return Fail(Unstartable("no Postgres server was found on this machine",
                          "Install one (`apt-get install postgresql`), or set VIGIL_PG_BIN to the "
                          "directory of its binaries."));
}

// Nobody when this process is not root: then the server runs as ourselves.
Result<std::optional<Account>> FindAccount() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return Account{entry->pw_uid, entry->pw_gid};
  }
  return Fail(Unstartable("Postgres refuses root, and there is no account postgres or nobody",
                          "Run as an ordinary user."));
}

Result<std::string> MakeDirectory(const std::optional<Account>& account) {
  const char* chosen = std::getenv("TMPDIR");
  // Another account could not enter a directory of root's.
  std::string base = chosen == nullptr || account || *chosen != '/' ? "/tmp" : chosen;
  if (base.size() > kLongestDirectory) base = "/tmp";
  std::string directory = base + "/vigil-postgres-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr ||
      (account && chown(directory.c_str(), account->user, account->group) != 0)) {
    return Fail(Unstartable(fmt::format("cannot make {}: {}", directory, std::strerror(errno)),
                            "Make room in the temporary directory, or set TMPDIR."));
  }
  return directory;
}

std::string RandomPassword() {
  std::random_device device;
  std::string password;
  for (int i = 0; i < 4; ++i) password += fmt::format("{:08x}", device());
  return password;
}

std::string Doubled(std::string_view text, char quote) {
  std::string doubled;
  for (const char c : text) doubled.append(c == quote ? 2 : 1, c);
  return doubled;
}

std::string Identifier(std::string_view name) { return '"' + Doubled(name, '"') + '"'; }

void WriteSettings(const std::string& directory, int port, const PrivateClusterOptions& options) {
  std::ofstream file(directory + "/data/private.conf", std::ios::trunc);
  const auto set = [&](std::string_view name, std::string_view value) {
    file << name << " = '" << Doubled(value, '\'') << "'\n";
  };
  set("listen_addresses", "127.0.0.1");
  set("port", std::to_string(port));
  set("unix_socket_directories", directory);
  set("max_connections", "200");
  set("fsync", options.fsync ? "on" : "off");
  set("full_page_writes", options.fsync ? "on" : "off");
  for (const auto& [name, value] : options.settings) set(name, value);
}

// Whether the postmaster says in its lock file that it accepts connections.
bool IsReady(const std::string& directory, pid_t postmaster) {
  std::ifstream file(directory + "/data/postmaster.pid");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1 && line != std::to_string(postmaster)) return false;
    if (number == 8) return line.starts_with("ready");
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<PrivateCluster>> PrivateCluster::Start(
    const PrivateClusterOptions& options) {
  const Instant deadline = SystemClock().Now() + options.start_deadline;
  auto binaries = FindBinaries();
  if (!binaries) return Fail(std::move(binaries.error()));
  auto account = FindAccount();
  if (!account) return Fail(std::move(account.error()));
  auto directory = MakeDirectory(*account);
  if (!directory) return Fail(std::move(directory.error()));

  std::unique_ptr<PrivateCluster> cluster(new PrivateCluster());
  cluster->bin_directory_ = *binaries;
  cluster->directory_ = *directory;
  cluster->start_deadline_ = options.start_deadline;
  const std::string log = *directory + "/log";
  // From here on the guardian removes the directory, whatever happens to us.
  auto guardian = ClusterGuardian::Start({*binaries + "/postgres", "-D", *directory + "/data"},
                                         *account, *directory, log);
  if (!guardian) return Fail(std::move(guardian.error()));
  cluster->guardian_ = std::move(*guardian);

  if (auto made = cluster->Create(options, deadline); !made) return Fail(std::move(made.error()));
  Result<void> booted;
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    cluster->port_ = FreePort();
    WriteSettings(*directory, cluster->port_, options);
    booted = cluster->Boot(deadline);
    if (booted) return cluster;
    // Somebody else may have taken the port; any other reason ends the attempts.
    if (booted.error().message.find("could not bind") == std::string::npos) break;
  }
  return Fail(std::move(booted.error()));
}

PrivateCluster::~PrivateCluster() = default;

Result<void> PrivateCluster::Create(const PrivateClusterOptions& options, Instant deadline) {
  const auto account = FindAccount();
  if (!account) return Fail(account.error());
  const std::string data = directory_ + "/data";
  std::vector<std::string> command;
  if (options.standby_of != nullptr) {
    password_ = options.standby_of->password_;
    command = {bin_directory_ + "/pg_basebackup",
               "--pgdata=" + data,
               "--dbname=" + options.standby_of->Conninfo(),
               "--write-recovery-conf",
               "--wal-method=stream",
               "--checkpoint=fast",
               "--no-sync"};
  } else {
    password_ = RandomPassword();
    const std::string password_file = directory_ + "/password";
    std::ofstream(password_file) << password_ << '\n';
    if (*account && chown(password_file.c_str(), (*account)->user, (*account)->group) != 0) {
      return Fail(Unstartable("cannot give a file away", "Run as an ordinary user."));
    }
    command = {bin_directory_ + "/initdb",
               "--pgdata=" + data,
               "--username=postgres",
               "--pwfile=" + password_file,
               "--auth=scram-sha-256",
               "--encoding=UTF8",
               "--locale=C",
               "--no-sync",
               "--no-instructions"};
  }
  if (RunProgram(command, *account, directory_ + "/log", deadline) != 0) {
    if (SystemClock().Now() > deadline) return Fail(TooSlow(LogTail()));
    return Fail(
        Unstartable("the cluster could not be made: " + LogTail(), "See what its log says."));
  }
  if (options.standby_of == nullptr) {
    std::ofstream(data + "/postgresql.conf", std::ios::app) << "include 'private.conf'\n";
  }
  return {};
}

Result<void> PrivateCluster::Promote() {
  const auto account = FindAccount();
  if (!account) return Fail(account.error());
  if (RunProgram({bin_directory_ + "/pg_ctl", "promote", "--pgdata=" + directory_ + "/data"},
                 *account, directory_ + "/log", SystemClock().Now() + start_deadline_) == 0) {
    return {};
  }
  return Fail(Unstartable("the promotion failed: " + LogTail(), "See what its log says."));
}

Result<void> PrivateCluster::Boot(Instant deadline) {
  const SystemClock clock;
  postmaster_ = guardian_->Launch();
  while (!IsReady(directory_, postmaster_)) {
    if (!guardian_->IsRunning()) {
      return Fail(Unstartable("Postgres did not start: " + LogTail(), "See what it says."));
    }
    if (clock.Now() > deadline) {
      guardian_->Stop(Shutdown::kImmediate);
      return Fail(TooSlow(LogTail()));
    }
    poll(nullptr, 0, kPollMilliseconds);  // nothing announces the lock file's change
  }
  return {};
}

std::string PrivateCluster::LogTail() const {
  std::ifstream file(directory_ + "/log");
  std::string tail;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  const size_t first = lines.size() > 8 ? lines.size() - 8 : 0;
  for (size_t i = first; i < lines.size(); ++i) tail += (tail.empty() ? "" : " | ") + lines[i];
  return tail;
}

std::string PrivateCluster::Conninfo(std::string_view database) const {
  return fmt::format("host=127.0.0.1 port={} user=postgres password={} dbname={}", port_, password_,
                     database);
}

std::string PrivateCluster::SocketConninfo(std::string_view database) const {
  return fmt::format("host={} port={} user=postgres password={} dbname={}", directory_, port_,
                     password_, database);
}

namespace {

Result<void> ExecuteOnce(const std::string& conninfo, const std::string& sql, Duration limit) {
  const Instant deadline = SystemClock().Now() + limit;
  auto connection = Connection::Open({conninfo, "private_cluster", {}}, deadline);
  if (!connection) return Fail(std::move(connection.error().error));
  auto done = (*connection)->ExecuteScript(sql, deadline);
  if (!done) return Fail(std::move(done.error().error));
  return {};
}

}  // namespace

Result<void> PrivateCluster::CreateDatabase(const std::string& name,
                                            const std::string& database_template) {
  return ExecuteOnce(Conninfo(),
                     fmt::format("CREATE DATABASE {} TEMPLATE {}", Identifier(name),
                                 Identifier(database_template)),
                     start_deadline_);
}

Result<void> PrivateCluster::DropDatabase(const std::string& name) {
  return ExecuteOnce(Conninfo(), fmt::format("DROP DATABASE {} WITH (FORCE)", Identifier(name)),
                     start_deadline_);
}

Result<void> PrivateCluster::Stop(Shutdown how) {
  guardian_->Stop(how);
  return {};
}

Result<void> PrivateCluster::StartAgain() { return Boot(SystemClock().Now() + start_deadline_); }

Result<void> PrivateCluster::Restart(Shutdown how) {
  if (auto stopped = Stop(how); !stopped) return stopped;
  return StartAgain();
}

Result<void> PrivateCluster::KillBackend(pid_t backend) {
  if (kill(backend, SIGKILL) == 0) return {};
  return Fail(Unstartable(fmt::format("cannot kill backend {}: {}", backend, std::strerror(errno)),
                          "It may have ended already."));
}

}  // namespace vigil::pg
