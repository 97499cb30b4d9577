// The bare chains that Vigil is compared with: sockets and libpq, and nothing that a coordinator
// needs beside them. They declare a process dead when its connection ends, or when Postgres frees
// its lock, and keep no promise.
//
//   vigil_bench_floor victim PORT KEY      holds the advisory lock KEY (0: none, and no session),
//                                          connects to the peer and waits to be killed
//   vigil_bench_floor peer socket ROUNDS   waits for a victim, and when its connection ends, a row
//                                          and an event are committed and a channel is notified
//   vigil_bench_floor peer lock ROUNDS     the same when it is granted the victim's lock, whose key
//                                          is the number of the round
//   vigil_bench_floor claimer ROUNDS       waits for the channel and claims the dead one's item
//
// Round i is about the rows with the number i of the tables in floor_chain.cc. The connection
// string comes in VIGIL_BENCH_DATABASE, since it carries a password. Times are CLOCK_BOOTTIME in
// ns.
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace {

// A report is written when the chain has been over for so long: its reader must not take the
// processor from the chain.
constexpr int kQuietMillis = 20;

long long NowNanos() { return vigil::SystemClock().Now().time_since_epoch().count(); }

[[noreturn]] void Die(std::string_view what, const char* why) {
  std::fprintf(stderr, "vigil_bench_floor: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               why);
  std::_Exit(1);
}

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Finish>;

// One connection to Postgres. Whatever fails ends the process.
class Database {
 public:
  Database() {
    const char* conninfo = std::getenv("VIGIL_BENCH_DATABASE");
    handle_.reset(PQconnectdb(conninfo == nullptr ? "" : conninfo));
    if (PQstatus(get()) != CONNECTION_OK) Die("connect", PQerrorMessage(get()));
  }

  PGconn* get() const { return handle_.get(); }

  void Prepare(const char* name, const char* sql) const {
    const Result result(PQprepare(get(), name, sql, 0, nullptr));
    Check(result.get());
  }

  void Execute(const char* sql) const {
    const Result result(PQexec(get(), sql));
    Check(result.get());
  }

  // The number of rows that it changed.
  std::string ExecutePrepared(const char* name, const char* parameter) const {
    const Result result(PQexecPrepared(get(), name, 1, &parameter, nullptr, nullptr, 0));
    Check(result.get());
    return PQcmdTuples(result.get());
  }

  void Send(const char* name, const char* parameter) const {
    const int parameters = parameter == nullptr ? 0 : 1;
    if (PQsendQueryPrepared(get(), name, parameters, &parameter, nullptr, nullptr, 0) == 0) {
      Die(name, PQerrorMessage(get()));
    }
  }

  // Ends a transaction of the pipeline.
  void SendSync() const {
    if (PQpipelineSync(get()) == 0) Die("sync", PQerrorMessage(get()));
  }

  // Returns when the next transaction of the pipeline is committed.
  void AwaitSync() const {
    while (true) {
      const Result result(PQgetResult(get()));
      if (!result) continue;  // between the results of two statements
      if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) return;
      Check(result.get());
    }
  }

  // Returns when a notification has come.
  void AwaitNotification() const {
    while (true) {
      if (PGnotify* notification = PQnotifies(get()); notification != nullptr) {
        PQfreemem(notification);
        return;
      }
      pollfd readable{PQsocket(get()), POLLIN, 0};
      poll(&readable, 1, -1);
      if (PQconsumeInput(get()) == 0) Die("listen", PQerrorMessage(get()));
    }
  }

 private:
  void Check(const PGresult* result) const {
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      Die("statement", PQerrorMessage(get()));
    }
  }

  std::unique_ptr<PGconn, Finish> handle_;
};

int Listen() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("listen", "no port");
  }
  std::printf("listening %d\n", ntohs(address.sin_port));
  return listener;
}

void AwaitEndOf(int connection) {
  char byte = 0;
  while (recv(connection, &byte, 1, 0) > 0) {
  }
}

[[noreturn]] void RunVictim(int port, const char* key) {
  std::optional<Database> database;
  if (std::string_view(key) != "0") {
    database.emplace();
    database->Prepare("lock", "SELECT pg_advisory_lock($1)");
    database->ExecutePrepared("lock", key);
  }
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Die("connect", "no peer");
  }
  while (true) pause();
}

enum class Evidence { kSocket, kLock };

int RunPeer(Evidence evidence, int rounds) {
  const Database database;
  database.Prepare("declare", "UPDATE floor_pods SET state = 'DEAD' WHERE id = $1");
  database.Prepare("tell", "INSERT INTO floor_events (pod, kind) VALUES ($1, 'POD_DIED')");
  // Nobody waits for the commit of a notification, so it does not wait for the disk.
  database.Prepare("wake",
                   "SELECT set_config('synchronous_commit', 'off', true), pg_notify('floor', '')");
  database.Prepare("lock", "SELECT pg_advisory_lock($1)");
  if (PQenterPipelineMode(database.get()) == 0) Die("pipeline", PQerrorMessage(database.get()));
  const int listener = Listen();
  for (int round = 1; round <= rounds; ++round) {
    const std::string number = std::to_string(round);
    const int victim = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    std::printf("joined %d\n", round);
    if (evidence == Evidence::kSocket) {
      AwaitEndOf(victim);
    } else {
      database.Send("lock", number.c_str());
      database.SendSync();
      database.AwaitSync();
    }
    const long long noticed = NowNanos();
    database.Send("declare", number.c_str());
    database.Send("tell", number.c_str());
    database.SendSync();
    database.Send("wake", nullptr);
    database.SendSync();
    database.AwaitSync();
    const long long committed = NowNanos();
    database.AwaitSync();
    close(victim);
    pollfd next{listener, POLLIN, 0};
    poll(&next, 1, kQuietMillis);
    std::printf("declared %d %lld %lld\n", round, noticed, committed);
  }
  return 0;
}

int RunClaimer(int rounds) {
  const Database database;
  database.Prepare("claim",
                   "UPDATE floor_items SET owner = 0, fence = fence + 1"
                   " WHERE id = $1 AND owner = $1 AND fence = 1");
  database.Execute("LISTEN floor");
  std::printf("listening\n");
  for (int round = 1; round <= rounds; ++round) {
    const std::string number = std::to_string(round);
    database.AwaitNotification();
    const long long woken = NowNanos();
    if (database.ExecutePrepared("claim", number.c_str()) != "1") Die("claim", "the item is gone");
    std::printf("claimed %d %lld %lld\n", round, woken, NowNanos());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "claimer" && argc == 3) return RunClaimer(std::atoi(argv[2]));
  if (argc != 4) return 2;
  if (role == "victim") RunVictim(std::atoi(argv[2]), argv[3]);
  const std::string_view evidence = argv[2];
  const int rounds = std::atoi(argv[3]);
  if (role == "peer" && evidence == "socket") return RunPeer(Evidence::kSocket, rounds);
  if (role == "peer" && evidence == "lock") return RunPeer(Evidence::kLock, rounds);
  return 2;
}
