// The settings of `vigild serve` and `vigild dev`: one table of them, and what they are read into.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "coordinator/settings.h"

namespace vigil {

struct Config {
  // A connection string of libpq. May carry a password: never logged, never shown.
  std::string database;
  std::string listen = "127.0.0.1:7420";
  // Empty when it is off.
  std::string http_listen = "127.0.0.1:7421";
  size_t http_connections = 12000;
  size_t grpc_connections = 12000;
  int streams_per_connection = 5000;
  // Files in PEM; none without TLS.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  // Who callers are, and what they may do.
  std::string tokens;
  std::string grants;
  // A second and identity, where rights are asked.
  int registration_rate = 200;
  // The most that one identity may have; 0 sessions are those of one and a half times max_pods.
  size_t identity_sessions = 0;
  size_t identity_percent = 50;
  // Neither TLS nor rights, as asked for.
  bool insecure = false;
  // What other people's tools show for this coordinator; `listen` when empty.
  std::string advertise;
  log::Format log_format = log::Format::kText;
  log::Level log_level = log::Level::kInfo;
  Duration drain_timeout = std::chrono::seconds(20);
  Duration database_deadline = std::chrono::seconds(5);
  Duration idle_session_timeout = std::chrono::seconds(3);
  int request_threads = 4;
  int session_threads = 4;
  int request_queue = 4096;
  CoordinatorSettings coordinator;
};

// One row of the table: a flag `--NAME`, a variable `VIGIL_NAME`, and a line `NAME = ...` of the
// file that --config names. The flag wins over the variable, and the variable over the file.
struct Setting {
  std::string name;
  std::string fallback;
  std::string meaning;
  // Empty when the text was read into the config, otherwise what was expected.
  std::string (*read)(Config& config, const std::string& text);

  std::string flag() const;
  std::string environment() const;
};

const std::vector<Setting>& Settings();

// How a setting reads a duration, and an address HOST:PORT, as `Setting::read` does. An address of
// IPv6 may lack its brackets, and has them afterwards.
std::string ReadDuration(Duration& target, const std::string& text);
std::string ReadAddress(std::string& target, const std::string& text);

// Whether the connection string holds a password, or might.
bool MayHoldPassword(const Config& config);

// The settings that go together: the timing rule.
Result<void> CheckConfig(const Config& config);

// What callers need before they are served: TLS, or the word that they need nothing.
Result<void> CheckAccess(const Config& config);

}  // namespace vigil
