#include "pg/async_connection.h"

#include <libpq-fe.h>

#include <asio/posix/stream_descriptor.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "base/check.h"
#include "pg/sqlstate.h"

namespace vigil::pg {

// What the callbacks of the loop hold on to (weakly), so that the connection may go at any time.
class AsyncConnection::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(EventLoop& loop, ConnectOptions options, Duration deadline)
      : loop_(loop),
        options_(std::move(options)),
        deadline_(deadline),
        descriptor_(loop.context()) {}

  ~Session() { Disconnect(); }

  void Open(std::function<void(Result<void>)> then) {
    VIGIL_CHECK(state_ == State::kNew);
    state_ = State::kConnecting;
    opened_ = std::move(then);
    timer_ = loop_.After(deadline_, [this] {
      const auto hosts = question_ ? question_->Found() : HostList();
      if (!hosts) return Fail(hosts.error());
      TooLate("connecting to Postgres took too long");
    });
    auto hosts = HostListOf(options_.conninfo);
    if (!hosts) return Fail(std::move(hosts.error()));
    question_ = options_.names.Ask(std::move(*hosts), [&loop = loop_, session = weak_from_this()] {
      loop.Post([session] {
        if (const auto self = session.lock()) self->Start();
      });
    });
    patience_ = loop_.After(deadline_ / 2, [this] {
      patience_.reset();
      Start();
    });
    Start();
  }

  void Execute(const Statement& statement, Params params, std::function<void(Result<Rows>)> then) {
    Enqueue({&statement, std::move(params), std::move(then), clock_.Now() + deadline_});
  }

  void Ping(std::function<void(Result<void>)> then) {
    Enqueue({nullptr,
             {},
             [then = std::move(then)](Result<Rows> answered) {
               if (!answered) return then(vigil::Fail(std::move(answered.error())));
               then({});
             },
             clock_.Now() + deadline_});
  }

  void OnNotification(std::function<void(const std::string&)> callback) {
    notified_ = std::move(callback);
  }

  void OnLost(std::function<void(Error)> callback) {
    lost_ = std::move(callback);
    if (state_ == State::kLost && was_open_) TellLost();
  }

  int backend() const { return backend_; }

 private:
  enum class State { kNew, kConnecting, kSettingUp, kOpen, kLost };

  // As soon as all names have their answers; after a while, as soon as one of the hosts can be
  // tried.
  void Start() {
    if (!question_) return;
    const bool complete = question_->Complete();
    if (!complete && patience_) return;
    auto hosts = question_->Found();
    if (!hosts && !complete) return;
    auto started = hosts ? StartConnecting(options_, std::move(*hosts))
                         : Result<ConnectionHandle>(vigil::Fail(std::move(hosts.error())));
    if (!started) return Fail(std::move(started.error()));
    question_.reset();
    patience_.reset();
    handle_ = std::move(*started);
    poll_status_ = PGRES_POLLING_WRITING;
    Wait();
  }

  struct Query {
    // Null for a ping.
    const Statement* statement;
    Params params;
    std::function<void(Result<Rows>)> then;
    Instant deadline;
  };

  void Enqueue(Query query) {
    if (state_ == State::kLost) {
      Post([then = std::move(query.then), error = *lost_error_] { then(vigil::Fail(error)); });
      return;
    }
    queue_.push_back(std::move(query));
    if (state_ == State::kOpen && queue_.size() == 1) {
      SendFront();
      Wait();
    }
  }

  // Runs the callback on the loop, unless the session is gone by then.
  void Post(std::function<void()> callback) {
    loop_.Post([session = weak_from_this(), callback = std::move(callback)] {
      if (session.lock() != nullptr) callback();
    });
  }

  // Waits for the socket, in whatever direction there is something to wait for. libpq may close or
  // change its socket in every call, so the loop knows it only between calls.
  void Wait() {
    if (state_ == State::kLost || descriptor_.is_open()) return;
    std::error_code error;
    descriptor_.assign(PQsocket(handle_.get()), error);
    if (error) {
      Fail("the socket cannot be watched: " + error.message());
      return;
    }
    const bool connecting = state_ == State::kConnecting;
    const bool writes = connecting ? poll_status_ == PGRES_POLLING_WRITING : unsent_;
    const bool reads = !connecting || poll_status_ == PGRES_POLLING_READING;
    const uint64_t turn = ++turn_;
    const auto ready = [&loop = loop_, session = weak_from_this(),
                        turn](const std::error_code& failed) {
      if (failed) return;
      loop.Dispatch([session, turn] {
        const auto self = session.lock();
        if (self != nullptr && self->turn_ == turn) self->Ready();
      });
    };
    if (writes) descriptor_.async_wait(descriptor_.wait_write, ready);
    if (reads) descriptor_.async_wait(descriptor_.wait_read, ready);
  }

  void Release() {
    ++turn_;
    if (descriptor_.is_open()) descriptor_.release();
  }

  void Ready() {
    Release();
    if (state_ == State::kConnecting) {
      Connect();
    } else {
      Exchange();
    }
    Wait();
  }

  void Connect() {
    poll_status_ = PQconnectPoll(handle_.get());
    if (poll_status_ == PGRES_POLLING_FAILED) {
      Fail(ConnectError(handle_.get()));
      return;
    }
    if (poll_status_ != PGRES_POLLING_OK) return;
    if (auto checked = CheckVersion(handle_.get()); !checked) {
      Fail(std::move(checked.error()));
      return;
    }
    PQsetErrorVerbosity(handle_.get(), PQERRORS_DEFAULT);
    PQsetNoticeReceiver(handle_.get(), KeepWarning, &warning_);
    VIGIL_CHECK(PQsetnonblocking(handle_.get(), 1) == 0);
    VIGIL_CHECK(PQenterPipelineMode(handle_.get()) == 1);
    state_ = State::kSettingUp;
    queue_.push_front({&kSetUpSession, SetUpParams(options_),
                       [this](Result<Rows> answer) { SetUp(std::move(answer)); },
                       clock_.Now() + deadline_});
    SendFront();
  }

  void SetUp(Result<Rows> answer) {
    if (state_ == State::kLost) return;
    if (!answer) {
      Fail(std::move(answer.error()));
      return;
    }
    auto facts = CheckSession(handle_.get(), *answer, options_);
    if (!facts) {
      Fail(std::move(facts.error()));
      return;
    }
    timeline_ = facts->server.timeline;
    state_ = State::kOpen;
    was_open_ = true;
    open_ = KnownServer::Open(options_.known);
    backend_ = PQbackendPID(handle_.get());
    Post([then = std::exchange(opened_, nullptr)] { then({}); });
  }

  // Each with a Sync behind it, which is all that there is of a ping.
  void SendFront() {
    const Query& query = queue_.front();
    Release();
    warning_.clear();
    if ((query.statement != nullptr && !SendStatement(query)) ||
        PQpipelineSync(handle_.get()) != 1) {
      Fail(ConnectionMessage(handle_.get()));
      return;
    }
    if (state_ == State::kOpen) {
      timer_ = loop_.After(query.deadline - clock_.Now(),
                           [this] { TooLate("Postgres did not answer in time"); });
    }
    Flush();
  }

  bool SendStatement(const Query& query) {
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const Param& param : query.params) {
      types.push_back(param.type());
      values.push_back(param.value().data());
      lengths.push_back(static_cast<int>(param.value().size()));
    }
    const std::vector<int> binary(query.params.size(), 1);
    return PQsendQueryParams(handle_.get(), query.statement->sql,
                             static_cast<int>(query.params.size()), types.data(), values.data(),
                             lengths.data(), binary.data(), /*resultFormat=*/1) == 1;
  }

  void Flush() {
    const int left = PQflush(handle_.get());
    if (left < 0) {
      Fail(ConnectionMessage(handle_.get()));
      return;
    }
    unsent_ = left > 0;
  }

  void Exchange() {
    PGconn* conn = handle_.get();
    const bool consumed = PQconsumeInput(conn) == 1;
    TakeNotifications();
    // What Postgres said before it closed is still to be had.
    while (state_ != State::kLost && !queue_.empty() && !PQisBusy(conn)) TakeResult();
    if (state_ == State::kLost) return;
    if (!consumed || PQstatus(conn) == CONNECTION_BAD) {
      Fail(ConnectionMessage(conn));
      return;
    }
    if (unsent_) Flush();
  }

  void TakeNotifications() {
    while (PGnotify* notification = PQnotifies(handle_.get())) {
      if (notified_) {
        Post([notified = notified_, payload = std::string(notification->extra)] {
          notified(payload);
        });
      }
      PQfreemem(notification);
    }
  }

  // One result of what is being answered, the end of a statement's results, or the answer to the
  // Sync behind it.
  void TakeResult() {
    PGresult* result = PQgetResult(handle_.get());
    if (result == nullptr) return;
    Rows rows(result);
    switch (PQresultStatus(result)) {
      case PGRES_PIPELINE_SYNC:
        Answered();
        return;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
        answer_ = std::move(rows);
        return;
      default:
        break;
    }
    if (!CameFromPostgres(result)) {
      Fail(ConnectionMessage(handle_.get()));
      return;
    }
    Fault fault = FaultOf(result);
    if (fault.lost) {
      Error lost = DatabaseUnavailable(std::move(fault.error.message));
      lost.hint = std::move(fault.error.hint);
      Fail(std::move(lost));
    } else {
      answer_ = vigil::Fail(std::move(fault.error));
    }
  }

  void Answered() {
    // An answer of an old primary proves nothing: the locks that count are elsewhere.
    if (state_ == State::kOpen && options_.known && !options_.known->IsCurrent(timeline_)) {
      Fail("a later primary of this database has been seen");
      return;
    }
    Query query = std::move(queue_.front());
    queue_.pop_front();
    if (state_ == State::kOpen) timer_.reset();
    VIGIL_CHECK(answer_.has_value() || query.statement == nullptr);
    Result<Rows> answer = answer_ ? std::move(*answer_) : Rows();
    answer_.reset();
    if (answer && !warning_.empty()) {
      answer = vigil::Fail(OutcomeUnknown("the answer came with a warning: " + warning_));
    }
    if (state_ == State::kSettingUp) {
      query.then(std::move(answer));
      if (state_ == State::kOpen) timer_.reset();
    } else {
      Post([then = std::move(query.then), shared = std::make_shared<Result<Rows>>(
                                              std::move(answer))] { then(std::move(*shared)); });
    }
    if (state_ == State::kOpen && !queue_.empty()) SendFront();
  }

  void TooLate(std::string why) {
    if (options_.known && handle_) options_.known->Note(AddressOf(handle_.get()), false);
    Fail(std::move(why));
  }

  void Fail(std::string why) { Fail(DatabaseUnavailable(std::move(why))); }

  // Ends the session, and tells everybody, later.
  void Fail(Error error) {
    if (state_ == State::kLost) return;
    if (state_ != State::kOpen && options_.known && handle_) {
      options_.known->Note(AddressOf(handle_.get()), false);
    }
    state_ = State::kLost;
    lost_error_ = std::move(error);
    question_.reset();
    Disconnect();
    patience_.reset();
    timer_.reset();
    if (opened_) {
      Post([then = std::exchange(opened_, nullptr), failed = *lost_error_] {
        then(vigil::Fail(failed));
      });
    }
    for (Query& query : std::exchange(queue_, {})) {
      if (query.statement == &kSetUpSession) continue;
      Post([then = std::move(query.then), failed = *lost_error_] { then(vigil::Fail(failed)); });
    }
    if (was_open_ && lost_) TellLost();
  }

  void TellLost() {
    if (std::exchange(lost_told_, true)) return;
    Post([then = lost_, error = *lost_error_] { then(error); });
  }

  // The loop forgets the socket before libpq closes it.
  void Disconnect() {
    Release();
    handle_.reset();
    open_ = {};
  }

  EventLoop& loop_;
  const ConnectOptions options_;
  const Duration deadline_;
  const SystemClock clock_;
  asio::posix::stream_descriptor descriptor_;
  // Where the hosts are, until that is known; and for how long all of them are waited for.
  std::unique_ptr<Names::Question> question_;
  std::unique_ptr<Timer> patience_;
  ConnectionHandle handle_;
  State state_ = State::kNew;
  PostgresPollingStatusType poll_status_ = PGRES_POLLING_WRITING;
  // Waits of an earlier turn are void.
  uint64_t turn_ = 0;
  bool unsent_ = false;
  int backend_ = 0;
  uint32_t timeline_ = 0;
  KnownServer::Open open_;
  std::unique_ptr<Timer> timer_;
  std::deque<Query> queue_;
  std::optional<Result<Rows>> answer_;
  // Arrived since the statement was sent.
  std::string warning_;
  std::function<void(Result<void>)> opened_;
  std::function<void(const std::string&)> notified_;
  std::function<void(Error)> lost_;
  std::optional<Error> lost_error_;
  bool was_open_ = false;
  bool lost_told_ = false;
};

AsyncConnection::AsyncConnection(EventLoop& loop, ConnectOptions options, Duration deadline)
    : session_(std::make_shared<Session>(loop, std::move(options), deadline)) {}

AsyncConnection::~AsyncConnection() = default;

void AsyncConnection::Open(std::function<void(Result<void>)> then) {
  session_->Open(std::move(then));
}

void AsyncConnection::Execute(const Statement& statement, Params params,
                              std::function<void(Result<Rows>)> then) {
  session_->Execute(statement, std::move(params), std::move(then));
}

void AsyncConnection::OnNotification(std::function<void(const std::string&)> callback) {
  session_->OnNotification(std::move(callback));
}

void AsyncConnection::OnLost(std::function<void(Error)> callback) {
  session_->OnLost(std::move(callback));
}

void AsyncConnection::Ping(std::function<void(Result<void>)> then) {
  session_->Ping(std::move(then));
}

int AsyncConnection::backend() const { return session_->backend(); }

}  // namespace vigil::pg
