#include "app/config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "core/timing.h"
#include "pg/connecting.h"

namespace vigil {
namespace {

constexpr Duration kDay = std::chrono::hours(24);

std::optional<Duration> ParseDuration(const std::string& text) {
  static const std::map<std::string, double> nanos_per_unit{
      {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 24 * 3600e9}};
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  const auto unit = nanos_per_unit.find(std::string(parsed.ptr, end));
  if (parsed.ec != std::errc() || unit == nanos_per_unit.end()) return std::nullopt;
  const double nanos = value * unit->second;
  if (!std::isfinite(nanos) || nanos <= 0 || nanos > 3650 * 24 * 3600e9) {
    return std::nullopt;
  }
  return Duration(static_cast<Duration::rep>(nanos));
}

std::string ReadRecoveryInterval(Duration& target, const std::string& text) {
  const auto interval = ParseDuration(text);
  if (!interval || *interval < std::chrono::milliseconds(50) || *interval > std::chrono::hours(1)) {
    return "a duration from 50ms to 1h, such as 1s";
  }
  target = *interval;
  return "";
}

std::string ReadAge(Duration& target, const std::string& text) {
  const auto age = ParseDuration(text);
  if (!age || *age < std::chrono::minutes(1)) return "an age from 1m to 3650d, such as 12h or 7d";
  target = *age;
  return "";
}

template <typename T>
std::string ReadNumber(T& target, const std::string& text, int64_t least, int64_t most) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < least || value > most) {
    return "a number from " + std::to_string(least) + " to " + std::to_string(most);
  }
  target = static_cast<T>(value);
  return "";
}

std::string ReadAddressOrOff(std::string& target, const std::string& text) {
  if (text != "off") return ReadAddress(target, text);
  target.clear();
  return "";
}

std::string ReadFilename(std::string& target, const std::string& text) {
  target = text;
  return "";
}

std::string ReadBool(bool& target, const std::string& text) {
  if (text != "true" && text != "false") return "true or false";
  target = text == "true";
  return "";
}

std::string ReadLogFormat(log::Format& target, const std::string& text) {
  if (text != "text" && text != "json") return "text or json";
  target = text == "json" ? log::Format::kJson : log::Format::kText;
  return "";
}

std::string ReadLogLevel(log::Level& target, const std::string& text) {
  static const std::map<std::string, log::Level> levels{{"debug", log::Level::kDebug},
                                                        {"info", log::Level::kInfo},
                                                        {"warning", log::Level::kWarning},
                                                        {"error", log::Level::kError}};
  const auto found = levels.find(text);
  if (found == levels.end()) return "debug, info, warning or error";
  target = found->second;
  return "";
}

constexpr int64_t kMany = 1'000'000;
constexpr int64_t kMostEvents = 1'000'000'000'000;
constexpr int64_t kLargestQueueBytes = int64_t{1} << 30;

using C = Config;
using S = const std::string&;

std::vector<Setting> ClusterSettings() {
  return {
      {"database", "",
       "connection string of PostgreSQL 14 or later, direct (no pooler); keep a password out of "
       "the "
       "flag: use the variable, the file or a passfile",
       [](C& c, S text) {
         c.database = text;
         return std::string();
       }},
      {"listen", "127.0.0.1:7420", "address to serve gRPC on",
       [](C& c, S text) { return ReadAddress(c.listen, text); }},
      {"http-listen", "127.0.0.1:7421", "address to serve HTTP on; off for none",
       [](C& c, S text) { return ReadAddressOrOff(c.http_listen, text); }},
      {"advertise", "",
       "address that others are shown for this coordinator; that of listen when empty",
       [](C& c, S text) { return ReadAddress(c.advertise, text); }},
      {"log-format", "text", "text for people or json for programs",
       [](C& c, S text) { return ReadLogFormat(c.log_format, text); }},
      {"log-level", "info", "debug, info, warning or error",
       [](C& c, S text) { return ReadLogLevel(c.log_level, text); }},
      {"trust-window", "15s",
       "outage tolerance: how long leases are granted after the database last answered; the grace "
       "of "
       "STRICT grows with it",
       [](C& c, S text) { return ReadDuration(c.coordinator.timing.trust_window, text); }},
      {"default-lease", "3s", "lease of a pod that asks for none, 500ms to 60s",
       [](C& c, S text) { return ReadDuration(c.coordinator.timing.default_lease, text); }},
      {"fast-grace", "3s", "how long weak evidence against a FAST pod must stand",
       [](C& c, S text) { return ReadDuration(c.coordinator.timing.fast_grace, text); }},
      {"mass-suspicion-share", "50",
       "weak evidence against more than this many of a hundred living pods is held for one more "
       "grace, and alarmed; 100 never holds",
       [](C& c, S text) {
         return ReadNumber(c.coordinator.mass_suspicion.share_percent, text, 0, 100);
       }},
      {"mass-suspicion-pods", "5", "weak evidence against this many pods or fewer is never held",
       [](C& c, S text) { return ReadNumber(c.coordinator.mass_suspicion.pods, text, 0, kMany); }},
      {"ping-interval", "500ms",
       "how often liveness sessions are pinged and the own row is renewed",
       [](C& c, S text) { return ReadDuration(c.coordinator.timing.ping_interval, text); }},
      {"probe-interval", "500ms", "how often the locks of all pods are probed",
       [](C& c, S text) { return ReadDuration(c.coordinator.timing.probe_interval, text); }},
      {"clock-rate-permille", "10", "bound on how much the rates of two machines' clocks differ",
       [](C& c, S text) {
         return ReadNumber(c.coordinator.timing.clock_rate_permille, text, 0, 500);
       }},
      {"idle-session-timeout", "3s",
       "after which PostgreSQL itself ends a liveness session that is not pinged",
       [](C& c, S text) { return ReadDuration(c.idle_session_timeout, text); }},
      {"liveness-sessions", "8",
       "sessions that hold the locks of pods; each new pod gets the emptiest",
       [](C& c, S text) { return ReadNumber(c.coordinator.liveness_sessions, text, 1, 1000); }},
      {"max-pods", "5000", "pods that this coordinator hosts at most",
       [](C& c, S text) { return ReadNumber(c.coordinator.max_pods, text, 1, kMany); }},
      {"lock-table-percent", "80",
       "share of PostgreSQL's lock table that may be in use, by whomever, before new pods are "
       "refused",
       [](C& c, S text) { return ReadNumber(c.coordinator.lock_table_percent, text, 1, 100); }},
  };
}

std::vector<Setting> AccessSettings() {
  return {
      {"tls-cert", "",
       "certificate chain in PEM to serve gRPC with; read again when the file changes",
       [](C& c, S text) { return ReadFilename(c.tls_cert, text); }},
      {"tls-key", "", "its private key in PEM; read again when the file changes",
       [](C& c, S text) { return ReadFilename(c.tls_key, text); }},
      {"tls-client-ca", "",
       "authorities in PEM that the certificates of callers are verified against; every caller "
       "needs one then, unless there are tokens",
       [](C& c, S text) { return ReadFilename(c.tls_client_ca, text); }},
      {"tokens", "",
       "file with a line IDENTITY TOKEN for each token that makes a caller known; a secret, read "
       "again when it changes",
       [](C& c, S text) { return ReadFilename(c.tokens, text); }},
      {"grants", "",
       "file with a line IDENTITY NAMESPACE ROLE,ROLE for what each identity may do; read again "
       "when it changes",
       [](C& c, S text) { return ReadFilename(c.grants, text); }},
      {"registration-rate", "200",
       "registrations of one identity in a second on this coordinator, and ten times as many at "
       "once; with rights only",
       [](C& c, S text) { return ReadNumber(c.registration_rate, text, 1, kMany); }},
      {"grpc-connections", "12000",
       "connections over gRPC at most; never more than half of the files that the process may open",
       [](C& c, S text) { return ReadNumber(c.grpc_connections, text, 1, kMany); }},
      {"streams-per-connection", "5000",
       "calls that one connection over gRPC carries at once, as many as a proxy brings pods and "
       "subscribers on it",
       [](C& c, S text) { return ReadNumber(c.streams_per_connection, text, 16, kMany); }},
      {"identity-sessions", "0",
       "streams of its pods that one identity may have here, old ones beside those that come back; "
       "0 is one and a half for each of max-pods; with rights only",
       [](C& c, S text) { return ReadNumber(c.identity_sessions, text, 0, kMany); }},
      {"identity-percent", "50",
       "share of the subscriptions and of the waiting requests that one identity may have; with "
       "rights only",
       [](C& c, S text) { return ReadNumber(c.identity_percent, text, 1, 100); }},
      {"insecure", "false",
       "true serves without TLS and without rights: whoever reaches the port may do everything",
       [](C& c, S text) { return ReadBool(c.insecure, text); }},
  };
}

std::vector<Setting> LogSettings() {
  return {
      {"max-subscribers", "10000", "subscriptions that this coordinator serves at most",
       [](C& c, S text) { return ReadNumber(c.coordinator.max_subscribers, text, 1, kMany); }},
      {"http-connections", "12000",
       "connections over HTTP at most; never more than half of the files that the process may open",
       [](C& c, S text) { return ReadNumber(c.http_connections, text, 1, kMany); }},
      {"subscriber-queue-events", "4096",
       "deliveries that may wait for one live subscriber before it has LAGGED",
       [](C& c, S text) {
         return ReadNumber(c.coordinator.subscriber_queue.count, text, 1, kMany);
       }},
      {"subscriber-queue-bytes", "4194304", "the same in bytes",
       [](C& c, S text) {
         return ReadNumber(c.coordinator.subscriber_queue.bytes, text, 1024, kLargestQueueBytes);
       }},
      {"position-interval", "5s", "how often a silent subscription is told its position",
       [](C& c, S text) { return ReadDuration(c.coordinator.position_interval, text); }},
      {"log-poll-interval", "1s", "how often the event log is read when no wake-up comes",
       [](C& c, S text) { return ReadDuration(c.coordinator.log_poll_interval, text); }},
      {"retention-age", "7d",
       "how long events, pods that have ended and completed work items are kept, 1m to 3650d",
       [](C& c, S text) { return ReadAge(c.coordinator.retention.age, text); }},
      {"retention-events", "1000000",
       "how many events a namespace keeps at most, however young they are",
       [](C& c, S text) {
         return ReadNumber(c.coordinator.retention.events, text, 100, kMostEvents);
       }},
      {"prune-interval", "1m", "how long to rest when there is nothing more to prune",
       [](C& c, S text) { return ReadDuration(c.coordinator.prune_interval, text); }},
  };
}

std::vector<Setting> WorkingSettings() {
  return {
      {"recovery-interval", "1s",
       "how often items of the policy ASSIGN that nobody has are looked for, 50ms to 1h",
       [](C& c, S text) { return ReadRecoveryInterval(c.coordinator.recovery_interval, text); }},
      {"first-message-deadline", "10s", "how long the first message of a session's stream may take",
       [](C& c, S text) { return ReadDuration(c.coordinator.first_message_deadline, text); }},
      {"request-threads", "4", "transactions that run at once for callers, each on a connection",
       [](C& c, S text) { return ReadNumber(c.request_threads, text, 1, 256); }},
      {"session-threads", "4",
       "transactions that run at once for registrations, resumes and farewells",
       [](C& c, S text) { return ReadNumber(c.session_threads, text, 1, 256); }},
      {"request-queue", "4096", "requests that may wait for them",
       [](C& c, S text) { return ReadNumber(c.request_queue, text, 1, kMany); }},
      {"database-deadline", "5s", "how long one transaction may take",
       [](C& c, S text) { return ReadDuration(c.database_deadline, text); }},
      {"drain-timeout", "20s",
       "how long pods may take to move when the coordinator is told to stop",
       [](C& c, S text) { return ReadDuration(c.drain_timeout, text); }},
  };
}

}  // namespace

std::string ReadDuration(Duration& target, const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration || *duration > kDay) {
    return "a duration of at most 24h, such as 500ms, 3s or 1m";
  }
  target = *duration;
  return "";
}

std::string ReadAddress(std::string& target, const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return "an address such as 0.0.0.0:7420";
  int port = 0;
  if (!ReadNumber(port, text.substr(colon + 1), 0, 65535).empty()) {
    return "an address with a port from 0 to 65535";
  }
  // As Kubernetes gives the address of a pod, $(POD_IP):7420.
  const std::string host = text.substr(0, colon);
  const bool bare = host.find(':') != std::string::npos && host.front() != '[';
  target = bare ? "[" + host + "]" + text.substr(colon) : text;
  return "";
}

std::string Setting::flag() const { return "--" + name; }

std::string Setting::environment() const {
  std::string variable = "VIGIL_" + name;
  for (char& c : variable) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = [] {
    std::vector<Setting> all = ClusterSettings();
    for (const auto& more : {AccessSettings(), LogSettings(), WorkingSettings()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return settings;
}

bool MayHoldPassword(const Config& config) { return pg::MayHoldPassword(config.database); }

Result<void> CheckConfig(const Config& config) {
  const Timing& timing = config.coordinator.timing;
  if (auto checked = CheckTiming(timing); !checked) return checked;
  return CheckIdleSessionTimeout(config.idle_session_timeout, timing);
}

Result<void> CheckAccess(const Config& config) {
  const auto refuse = [](std::string message, std::string hint) {
    return Fail(Error{Code::kInvalidArgument, "INTERNAL", std::move(message), std::move(hint), {}});
  };
  const bool some =
      !(config.tls_cert + config.tls_key + config.tls_client_ca + config.tokens + config.grants)
           .empty();
  if (config.insecure) {
    if (!some) return {};
    return refuse("TLS or rights are set up, and --insecure says to serve without them",
                  "Take away --insecure; or --tls-cert, --tls-key, --tls-client-ca, --tokens and "
                  "--grants.");
  }
  if (config.tls_cert.empty() || config.tls_key.empty() || config.grants.empty()) {
    return refuse("callers would be neither encrypted nor known",
                  "Set --tls-cert, --tls-key and --grants; or say --insecure true, where whoever "
                  "reaches the port may do everything.");
  }
  if (config.tls_client_ca.empty() && config.tokens.empty()) {
    return refuse("no caller could show who it is",
                  "Set --tls-client-ca for certificates, or --tokens, or both.");
  }
  return {};
}

}  // namespace vigil
