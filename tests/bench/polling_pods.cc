// Pods of the design that Vigil grew out of, without a coordinator.
//
//   vigil_bench_polling_pods NAMES COUNT INTERVAL-IN-MS
//
// Each pod NAMES-0, NAMES-1, ... has a Postgres session of its own, in which it holds the advisory
// lock of its name's hash for as long as it lives, and owns the item of its name. Once per interval
// it reads who else there is and runs one transaction for each: it tries the other's lock, and if
// that is free, it takes the other's items over. The first look of each pod is at a random moment
// of the interval; where a round takes longer than the interval, the next begins at once.
//
// Prints "ready" when every lock is held, "claimed NAME NOTICED CLAIMED" (CLOCK_BOOTTIME in ns)
// after each takeover, and on SIGUSR1 "probes COUNT", which it has made so far. The connection
// string comes in VIGIL_BENCH_DATABASE, since it carries a password.
#include <libpq-fe.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace {

using vigil::Duration;
using vigil::Instant;

constexpr auto kTryOwn = "SELECT pg_try_advisory_lock(hashtext($1))";
constexpr auto kJoin =
    "WITH pod AS (INSERT INTO polling_pods VALUES ($1))"
    " INSERT INTO polling_items VALUES ($1, $1)";
constexpr auto kReadOthers = "SELECT name FROM polling_pods WHERE name <> $1";
constexpr auto kTryLock = "SELECT pg_try_advisory_xact_lock(hashtext($1))";
constexpr auto kTakeItems =
    "WITH gone AS (DELETE FROM polling_pods WHERE name = $1)"
    " UPDATE polling_items SET owner = $2 WHERE owner = $1";

// The way between two machines there and back: a pod has the answer and sends what comes next, so
// much later. Between two processes of one machine the session would be asked again while all that
// it needs is still in the processor's caches, which spares it half of its work or more.
constexpr Duration kWay = std::chrono::microseconds(500);

Instant Now() { return vigil::SystemClock().Now(); }

[[noreturn]] void Die(std::string_view what, const char* why) {
  std::fprintf(stderr, "vigil_bench_polling_pods: %.*s: %s\n", static_cast<int>(what.size()),
               what.data(), why);
  std::_Exit(1);
}

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Finish>;

// One pod, a step at a time: each sends one statement, whose answer is the next step. Whatever
// fails ends the process.
class Pod {
 public:
  // Holds its lock, and is there for the others, when this returns.
  explicit Pod(std::string name) : name_(std::move(name)) {
    const char* conninfo = std::getenv("VIGIL_BENCH_DATABASE");
    connection_.reset(PQconnectdb(conninfo == nullptr ? "" : conninfo));
    if (PQstatus(connection_.get()) != CONNECTION_OK) Fail();
    if (Execute(kTryOwn) != "t") Die(name_, "another name has the same hash");
    Execute(kJoin);
  }

  int socket() const { return PQsocket(connection_.get()); }
  int64_t probes() const { return probes_; }

  // What became of the last statement.
  enum class Turn { kNotAnswered, kNextStatement, kRoundIsOver };

  // Sends the next statement; the first of a round when there is none under way.
  void Proceed() {
    switch (step_) {
      case Step::kOthers:
        return SendWith(kReadOthers, {name_.c_str()});
      case Step::kBegin:
        return Send("BEGIN");
      case Step::kTry:
        return SendWith(kTryLock, {others_.back().c_str()});
      case Step::kTakeOver:
        return SendWith(kTakeItems, {others_.back().c_str(), name_.c_str()});
      case Step::kCommit:
        return Send("COMMIT");
    }
  }

  bool begins() const { return step_ == Step::kOthers; }

  // The socket is readable.
  Turn Continue() {
    if (PQconsumeInput(connection_.get()) == 0) Fail();
    while (PQisBusy(connection_.get()) == 0) {
      Result result(PQgetResult(connection_.get()));
      if (result) {
        Check(result.get());
        answer_ = std::move(result);
      } else if (answer_) {  // of a statement that is over
        const Result answer = std::move(answer_);
        step_ = After(answer.get());
        return begins() ? Turn::kRoundIsOver : Turn::kNextStatement;
      } else {
        break;  // nothing was asked
      }
    }
    return Turn::kNotAnswered;
  }

 private:
  enum class Step { kOthers, kBegin, kTry, kTakeOver, kCommit };

  // The step after this one, given the answer to it.
  Step After(PGresult* answer) {
    switch (step_) {
      case Step::kOthers:
        for (int i = 0; i < PQntuples(answer); ++i) others_.emplace_back(PQgetvalue(answer, i, 0));
        break;
      case Step::kBegin:
        return Step::kTry;
      case Step::kTry:
        ++probes_;
        taken_over_ = PQgetvalue(answer, 0, 0)[0] == 't';
        noticed_ = Now();
        return taken_over_ ? Step::kTakeOver : Step::kCommit;
      case Step::kTakeOver:
        // Somebody else may have been sooner since we read who there is.
        taken_over_ = PQcmdTuples(answer) != std::string_view("0");
        return Step::kCommit;
      case Step::kCommit:
        if (taken_over_) {
          std::printf("claimed %s %lld %lld\n", others_.back().c_str(), Nanos(noticed_),
                      Nanos(Now()));
        }
        others_.pop_back();
        break;
    }
    return others_.empty() ? Step::kOthers : Step::kBegin;
  }

  static long long Nanos(Instant time) { return time.time_since_epoch().count(); }

  // With its own name; the first field of what comes, if anything does.
  std::string Execute(const char* sql) {
    const char* name = name_.c_str();
    const Result result(
        PQexecParams(connection_.get(), sql, 1, nullptr, &name, nullptr, nullptr, 0));
    Check(result.get());
    return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
  }

  void Send(const char* sql) {
    if (PQsendQuery(connection_.get(), sql) == 0) Fail();
  }

  // As most drivers send what has parameters, unless they are told to prepare it.
  void SendWith(const char* sql, const std::vector<const char*>& parameters) {
    const int count = static_cast<int>(parameters.size());
    if (PQsendQueryParams(connection_.get(), sql, count, nullptr, parameters.data(), nullptr,
                          nullptr, 0) == 0) {
      Fail();
    }
  }

  void Check(const PGresult* result) const {
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) Fail();
  }

  [[noreturn]] void Fail() const { Die(name_, PQerrorMessage(connection_.get())); }

  const std::string name_;
  std::unique_ptr<PGconn, Finish> connection_;
  Step step_ = Step::kOthers;
  Result answer_;
  std::vector<std::string> others_;  // that are still to be looked at in this round
  bool taken_over_ = false;          // the items of the last of them
  Instant noticed_;
  int64_t probes_ = 0;
};

// All pods of the process, on one thread.
class Pods {
 public:
  Pods(const std::string& names, int count, Duration interval) : interval_(interval) {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asked, nullptr);
    signals_ = signalfd(-1, &asked, SFD_CLOEXEC);
    Add(signals_, kSignals);
    for (int i = 0; i < count; ++i) {
      pods_.push_back(std::make_unique<Pod>(names + "-" + std::to_string(i)));
      Add(pods_.back()->socket(), static_cast<uint32_t>(i));
    }
    std::mt19937_64 random(std::random_device{}());
    std::uniform_int_distribution<Duration::rep> within(0, interval.count());
    for (size_t i = 0; i < pods_.size(); ++i) due_.emplace(Now() + Duration(within(random)), i);
    next_.resize(pods_.size());
  }

  [[noreturn]] void Run() {
    while (true) {
      ProceedWithDue();
      epoll_event events[64];
      const timespec left = UntilDue();
      const int ready = epoll_pwait2(poll_, events, 64, &left, nullptr);
      for (int i = 0; i < ready; ++i) {
        if (events[i].data.u32 == kSignals) {
          TellProbes();
          continue;
        }
        const size_t pod = events[i].data.u32;
        const auto turn = pods_[pod]->Continue();
        if (turn == Pod::Turn::kNextStatement) due_.emplace(Now() + kWay, pod);
        if (turn == Pod::Turn::kRoundIsOver) due_.emplace(std::max(next_[pod], Now()), pod);
      }
    }
  }

 private:
  static constexpr uint32_t kSignals = UINT32_MAX;

  void Add(int descriptor, uint32_t name) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = name;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) != 0) Die("epoll", "no descriptor");
  }

  void ProceedWithDue() {
    while (!due_.empty() && due_.begin()->first <= Now()) {
      const auto [due, pod] = *due_.begin();
      due_.erase(due_.begin());
      if (pods_[pod]->begins()) next_[pod] = due + interval_;
      pods_[pod]->Proceed();
    }
  }

  timespec UntilDue() const {
    Duration left = std::chrono::hours(1);
    if (!due_.empty()) left = std::max(due_.begin()->first - Now(), Duration{});
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  }

  void TellProbes() const {
    signalfd_siginfo asked{};
    if (read(signals_, &asked, sizeof asked) != sizeof asked) Die("signal", "unreadable");
    long long probes = 0;
    for (const auto& pod : pods_) probes += pod->probes();
    std::printf("probes %lld\n", probes);
  }

  const Duration interval_;
  int poll_ = -1;
  int signals_ = -1;
  std::vector<std::unique_ptr<Pod>> pods_;
  std::multimap<Instant, size_t> due_;  // pods that have something to send
  std::vector<Instant> next_;           // by pod: when its next round is to begin
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Pods pods(argv[1], std::atoi(argv[2]), std::chrono::milliseconds(std::atoll(argv[3])));
  std::printf("ready\n");
  pods.Run();
}
