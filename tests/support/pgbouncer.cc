#include "support/pgbouncer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/free_port.h"

namespace vigil {
Result<std::unique_ptr<PgBouncer>> PgBouncer::Start(const std::string& server,
                                                    const std::string& database,
                                                    const std::string& mode, int pool_size) {
  std::unique_ptr<PgBouncer> bouncer(new PgBouncer());
  bouncer->database_ = database;
  std::string directory = "/tmp/vigil-pgbouncer-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr || chmod(directory.c_str(), 0755) != 0) {
    return Fail(Error{.message = "cannot make a directory for pgbouncer"});
  }
  bouncer->directory_ = directory;
  bouncer->port_ = FreePort();
  std::ofstream(directory + "/pgbouncer.ini")
      << "[databases]\n"
      << database << " = " << server
      << "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << bouncer->port_
      << "\nunix_socket_dir =\nauth_type = any\npool_mode = " << mode
      << "\ndefault_pool_size = " << pool_size << "\n";
  std::vector<std::string> command;
  if (geteuid() == 0) {  // which it refuses
    command = {"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
               "--pdeathsig=KILL"};
  }
  command.insert(command.end(), {"pgbouncer", directory + "/pgbouncer.ini"});
  auto spawned = Process::Spawn({.command = command});
  if (!spawned) return Fail(std::move(spawned.error()));
  bouncer->process_ = std::move(*spawned);
  const auto up = bouncer->process_->AwaitLine(
      [](const Process::Line& line) { return line.text.find("process up") != std::string::npos; },
      std::chrono::seconds(20));
  if (!up) {
    return Fail(Error{.message = "pgbouncer did not start: " + bouncer->process_->Transcript()});
  }
  return bouncer;
}

PgBouncer::~PgBouncer() {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string PgBouncer::Conninfo() const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=" + database_;
}

}  // namespace vigil
