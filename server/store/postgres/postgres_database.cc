#include "store/postgres/postgres_database.h"

#include <utility>

#include "store/postgres/liveness_session.h"
#include "store/postgres/log_listener.h"
#include "store/postgres/postgres_store.h"

namespace vigil {

PostgresDatabase::PostgresDatabase(EventLoop& loop, EventLoop& log_loop, PostgresOptions options)
    : loop_(loop), log_loop_(log_loop), options_(std::move(options)) {}

PostgresDatabase::~PostgresDatabase() = default;

std::unique_ptr<Store> PostgresDatabase::OpenStore(Duration deadline) {
  return std::make_unique<PostgresStore>(OptionsFor("store", pg::SettingsForRequests(deadline)),
                                         deadline);
}

pg::ConnectOptions PostgresDatabase::LivenessOptions() const {
  auto settings = pg::SettingsForRequests(options_.operation_deadline);
  // Postgres itself frees the locks of a process that is frozen or unplugged, whatever TCP thinks.
  settings.emplace_back("idle_session_timeout", pg::Milliseconds(options_.idle_session_timeout));
  return OptionsFor("locks", std::move(settings));
}

pg::ConnectOptions PostgresDatabase::ErrandOptions() const {
  return OptionsFor("errand", pg::SettingsForRequests(options_.operation_deadline));
}

void PostgresDatabase::OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) {
  const auto place = opening_.insert(
      opening_.end(),
      std::make_unique<pg::AsyncConnection>(loop_, LivenessOptions(), options_.operation_deadline));
  (*place)->Open([this, place, then = std::move(then)](Result<void> opened) {
    auto connection = std::move(*place);
    opening_.erase(place);
    if (!opened) return then(Fail(std::move(opened.error())));
    then(std::make_unique<PostgresLivenessSession>(std::move(connection)));
  });
}

std::unique_ptr<LogListener> PostgresDatabase::Listen(WakeUp wake_up) {
  return std::make_unique<PostgresLogListener>(
      log_loop_, OptionsFor("log", pg::SettingsForRequests(options_.operation_deadline)),
      options_.operation_deadline, std::move(wake_up));
}

pg::ConnectOptions PostgresDatabase::OptionsFor(
    const char* purpose, std::vector<std::pair<std::string, std::string>> settings) const {
  return {.conninfo = options_.conninfo,
          .application_name = options_.application_name + " " + purpose,
          .settings = std::move(settings),
          .known = known_,
          .names = options_.names};
}

}  // namespace vigil
