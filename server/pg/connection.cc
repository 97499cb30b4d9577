#include "pg/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"

namespace vigil::pg {
namespace {

// Waits until the socket is ready for one of the events. False at the deadline.
bool WaitForSocket(int socket, short events, Instant deadline) {
  const SystemClock clock;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.Now()).count();
    if (left <= 0) return false;
    pollfd entry{socket, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the next libpq call says what is wrong
  }
}

Fault Lost(Error error, bool retry) { return {std::move(error), retry, /*lost=*/true}; }

}  // namespace

// One batch on its way: sends it, and reads what comes back until it is committed.
class Connection::Exchange {
 public:
  Exchange(Connection& connection, const Batch& batch, Instant deadline)
      : connection_(connection),
        conn_(connection.handle_.get()),
        batch_(batch),
        deadline_(deadline) {}

  // Takes what is still owed from before. False when the connection is lost.
  bool Settle() {
    expected_ = std::exchange(connection_.owed_, {});
    while (!expected_.empty() && TakeOne()) {
    }
    const bool settled = expected_.empty();
    rows_.clear();
    fault_.reset();
    fault_in_doubt_ = false;
    flushed_ = false;
    ends_in_a_row_ = 0;
    return settled;
  }

  Attempt<std::vector<Rows>> Run() {
    if (!Settle()) return tl::unexpected(Lost(Unavailable(), /*retry=*/!timed_out_));
    connection_.warning_.clear();
    if (batch_.steps.empty()) {
      SendAfterwards();
      return std::vector<Rows>{};
    }
    bool queued = PrepareFirst();
    for (const Step& step : batch_.steps) queued = queued && Send(step);
    queued = queued && Sync();
    if (!queued) return tl::unexpected(Lost(Unavailable(), /*retry=*/true));

    while (!expected_.empty()) {
      if (!TakeOne()) {
        auto outcome = Broken();
        connection_.handle_.reset();  // whatever it still has to say is not for the next batch
        return outcome;
      }
    }
    auto outcome = Outcome();
    if (outcome) SendAfterwards();
    return outcome;
  }

 private:
  // In a transaction of its own, in the same flight: what a statement's text adds to the batch
  // could make libpq send it in pieces.
  bool PrepareFirst() {
    for (const Step& step : batch_.steps) {
      if (!Prepare(step)) return false;
    }
    return preparing_.empty() || Sync();
  }

  // Unless it is prepared, or never will be.
  bool Prepare(const Step& step) {
    const char* name = step.statement->name;
    if (step.statement->once || connection_.prepared_.contains(name) || preparing_.contains(name)) {
      return true;
    }
    std::vector<Oid> types;
    for (const Param& param : step.params) types.push_back(param.type());
    preparing_.insert(name);
    expected_.push_back({Expected::kPrepare, step.statement});
    return PQsendPrepare(conn_, name, step.statement->sql, static_cast<int>(types.size()),
                         types.data()) == 1;
  }

  bool Send(const Step& step) {
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const Param& param : step.params) {
      types.push_back(param.type());
      values.push_back(param.value().data());
      lengths.push_back(static_cast<int>(param.value().size()));
    }
    const std::vector<int> binary(step.params.size(), 1);
    const int count = static_cast<int>(step.params.size());
    const char* name = step.statement->name;

    if (step.statement->once) {
      expected_.push_back({Expected::kRows, step.statement});
      return PQsendQueryParams(conn_, step.statement->sql, count, types.data(), values.data(),
                               lengths.data(), binary.data(), /*resultFormat=*/1) == 1;
    }
    expected_.push_back({Expected::kRows, step.statement});
    return PQsendQueryPrepared(conn_, name, count, values.data(), lengths.data(), binary.data(),
                               /*resultFormat=*/1) == 1;
  }

  // That it cannot be sent shows when the connection is used next.
  void SendAfterwards() {
    if (!batch_.afterwards) return;
    static_cast<void>(Prepare(*batch_.afterwards) && Send(*batch_.afterwards) && Sync());
    connection_.owed_ = std::move(expected_);
  }

  bool Sync() {
    expected_.push_back({Expected::kCommit});
    return PQpipelineSync(conn_) == 1;
  }

  // Takes the next result off the connection; waits for it. False when the connection is lost or
  // the deadline has passed.
  bool TakeOne() {
    while (!flushed_ || PQisBusy(conn_)) {
      if (!flushed_) {
        const int left = PQflush(conn_);
        if (left < 0) return false;
        flushed_ = left == 0;
        if (flushed_ && !PQisBusy(conn_)) break;
      }
      const short events = static_cast<short>(POLLIN | (flushed_ ? 0 : POLLOUT));
      if (!WaitForSocket(PQsocket(conn_), events, deadline_)) {
        timed_out_ = true;
        if (connection_.known_) connection_.known_->Note(AddressOf(conn_), false);
        return false;
      }
      if (!PQconsumeInput(conn_)) return false;
    }
    PGresult* result = PQgetResult(conn_);
    if (result == nullptr) {
      // The end of a statement's results. After a commit's error there is one more.
      if (expected_.front().kind != Expected::kCommit) {
        expected_.pop_front();
        ends_in_a_row_ = 0;
      }
      return ++ends_in_a_row_ < 3;
    }
    ends_in_a_row_ = 0;
    return Take(result);
  }

  bool Take(PGresult* result) {
    Rows rows(result);
    const Expected& front = expected_.front();
    switch (PQresultStatus(result)) {
      case PGRES_PIPELINE_SYNC:
        expected_.pop_front();
        return true;
      case PGRES_PIPELINE_ABORTED:
        return true;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        if (front.kind == Expected::kPrepare) connection_.prepared_.insert(front.statement->name);
        if (front.kind == Expected::kRows) rows_.push_back(std::move(rows));
        return true;
      default:
        if (!CameFromPostgres(result)) return false;
        if (!fault_) {
          fault_ = FaultOf(result);
          // A connection that the server ends while it commits may have committed.
          fault_in_doubt_ = front.kind == Expected::kCommit && fault_->lost;
        }
        return true;
    }
  }

  Attempt<std::vector<Rows>> Outcome() {
    if (fault_) return tl::unexpected(*fault_);
    if (!connection_.IsCurrent()) {
      const std::string why = "a later primary of this database has been seen";
      return tl::unexpected(batch_.changes ? Lost(OutcomeUnknown(why), /*retry=*/false)
                                           : Lost(DatabaseUnavailable(why), /*retry=*/true));
    }
    if (batch_.changes && !connection_.warning_.empty()) {
      return tl::unexpected(Lost(
          OutcomeUnknown(fmt::format("the commit came with a warning: {}", connection_.warning_)),
          /*retry=*/false));
    }
    VIGIL_CHECK(rows_.size() == batch_.steps.size());
    return std::move(rows_);
  }

  // The connection ended, or ends here, before all was answered.
  Attempt<std::vector<Rows>> Broken() {
    if (fault_ && !fault_in_doubt_) {
      fault_->lost = true;
      return tl::unexpected(*fault_);
    }
    if (batch_.changes && flushed_) {
      return tl::unexpected(
          Lost(OutcomeUnknown(fmt::format("no answer to a commit: {}", Why())), /*retry=*/false));
    }
    return tl::unexpected(Lost(Unavailable(), /*retry=*/!timed_out_));
  }

  std::string Why() const {
    return timed_out_ ? "Postgres did not answer in time" : ConnectionMessage(conn_);
  }
  Error Unavailable() const { return DatabaseUnavailable(Why()); }

  Connection& connection_;
  PGconn* conn_;
  const Batch& batch_;
  const Instant deadline_;

  std::deque<Expected> expected_;
  std::set<std::string> preparing_;
  std::vector<Rows> rows_;
  std::optional<Fault> fault_;
  bool fault_in_doubt_ = false;
  // All of the batch was handed to the system.
  bool flushed_ = false;
  bool timed_out_ = false;
  int ends_in_a_row_ = 0;
};

Connection::Connection(ConnectionHandle handle, std::shared_ptr<KnownServer> known)
    : handle_(std::move(handle)), known_(std::move(known)) {
  PQsetNoticeReceiver(handle_.get(), KeepWarning, &warning_);
}

bool Connection::IsCurrent() const {
  // While it is being set up, its timeline is not known yet.
  return known_ == nullptr || facts_.server.system.empty() ||
         known_->IsCurrent(facts_.server.timeline);
}

Attempt<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options,
                                                      Instant deadline) {
  auto started = FindAndStartConnecting(options, deadline);
  if (!started) return tl::unexpected(Lost(started.error(), /*retry=*/false));
  PGconn* conn = started->get();

  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!WaitForSocket(PQsocket(conn), events, deadline)) {
      if (options.known) options.known->Note(AddressOf(conn), false);
      return tl::unexpected(
          Lost(DatabaseUnavailable("connecting to Postgres took too long"), /*retry=*/false));
    }
    status = PQconnectPoll(conn);
    if (status == PGRES_POLLING_FAILED) {
      if (options.known) options.known->Note(AddressOf(conn), false);
      return tl::unexpected(Lost(ConnectError(conn), /*retry=*/false));
    }
  }
  if (auto checked = CheckVersion(conn); !checked) {
    return tl::unexpected(Lost(checked.error(), /*retry=*/false));
  }
  PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
  VIGIL_CHECK(PQsetnonblocking(conn, 1) == 0);
  VIGIL_CHECK(PQenterPipelineMode(conn) == 1);

  std::unique_ptr<Connection> connection(new Connection(std::move(*started), options.known));
  const ServerAddress address = AddressOf(conn);
  auto answer = connection->Execute(
      {.steps = {{&kSetUpSession, SetUpParams(options)}}, .changes = false}, deadline);
  if (!answer) {
    if (options.known) options.known->Note(address, false);
    return tl::unexpected(answer.error());
  }
  auto facts = CheckSession(conn, answer->front(), options);
  if (!facts) return tl::unexpected(Lost(facts.error(), /*retry=*/false));
  connection->facts_ = std::move(*facts);
  connection->open_ = KnownServer::Open(options.known);
  return connection;
}

Attempt<std::vector<Rows>> Connection::Execute(const Batch& batch, Instant deadline) {
  auto outcome = Exchange(*this, batch, deadline).Run();
  if (!outcome && outcome.error().lost) handle_.reset();
  return outcome;
}

Attempt<void> Connection::ExecuteScript(const std::string& sql, Instant deadline) {
  PGconn* conn = handle_.get();
  const auto lost = [&](const std::string& why) -> Attempt<void> {
    Fault fault = Lost(OutcomeUnknown(why), /*retry=*/false);
    handle_.reset();
    return tl::unexpected(std::move(fault));
  };
  const Batch nothing;
  if (!Exchange(*this, nothing, deadline).Settle()) {
    handle_.reset();
    return tl::unexpected(Lost(DatabaseUnavailable("the connection was lost"), /*retry=*/true));
  }
  warning_.clear();
  VIGIL_CHECK(PQexitPipelineMode(conn) == 1);
  if (!PQsendQuery(conn, sql.c_str())) return lost(ConnectionMessage(conn));
  std::optional<Fault> fault;
  for (;;) {
    const int left = PQflush(conn);
    if (left < 0) return lost(ConnectionMessage(conn));
    if (left == 0 && !PQisBusy(conn)) {
      PGresult* result = PQgetResult(conn);
      if (result == nullptr) break;
      const Rows rows(result);
      if (PQresultStatus(result) == PGRES_FATAL_ERROR && !fault) {
        if (!CameFromPostgres(result)) return lost(ConnectionMessage(conn));
        fault = FaultOf(result);
      }
      continue;
    }
    const short events = static_cast<short>(POLLIN | (left == 0 ? 0 : POLLOUT));
    if (!WaitForSocket(PQsocket(conn), events, deadline)) {
      return lost("Postgres did not answer in time");
    }
    if (!PQconsumeInput(conn)) return lost(ConnectionMessage(conn));
  }
  if (fault && fault->lost) {
    handle_.reset();
  } else {
    VIGIL_CHECK(PQenterPipelineMode(conn) == 1);
  }
  if (!fault && !warning_.empty()) return lost("it came with a warning: " + warning_);
  if (fault) return tl::unexpected(std::move(*fault));
  return {};
}

bool Connection::LooksAlive() {
  PGconn* conn = handle_.get();
  if (conn == nullptr || PQstatus(conn) != CONNECTION_OK || !IsCurrent()) return false;
  pollfd entry{PQsocket(conn), POLLIN, 0};
  // Whatever else it has to say, the end comes after it.
  while (poll(&entry, 1, 0) != 0) {
    if (!PQconsumeInput(conn)) return false;
  }
  return PQstatus(conn) == CONNECTION_OK;
}

int Connection::backend() const { return PQbackendPID(handle_.get()); }

}  // namespace vigil::pg
