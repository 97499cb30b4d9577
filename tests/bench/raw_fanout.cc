// The raw fan-out that Vigil's is compared with: a server-stream of gRPC, and nothing that a
// coordinator needs beside it. It writes bytes that were made before, and keeps no promise.
//
//   vigil_bench_raw_fanout MESSAGE     in hexadecimal digits
//
// Prints "listening PORT" and serves Subscribe as a coordinator does, to the same subscribers: one
// empty message at once. At each SIGUSR1 one row is committed, and as soon as that is acknowledged
// the message is written to every stream. At SIGUSR2 prints "acknowledged AT..." for all rows, in
// ns of CLOCK_BOOTTIME. The connection string comes in VIGIL_BENCH_DATABASE, since it carries a
// password.
#include <libpq-fe.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hexadecimal.h"
#include "raw_server.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"

namespace {

using grpc::ByteBuffer;

[[noreturn]] void Die(const char* what, const char* why) {
  std::fprintf(stderr, "vigil_bench_raw_fanout: %s: %s\n", what, why);
  std::_Exit(1);
}

ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

class Stream;

// All streams that are open.
class Streams {
 public:
  void Add(Stream* stream) {
    std::lock_guard lock(mutex_);
    streams_.insert(stream);
  }

  void Remove(Stream* stream) {
    std::lock_guard lock(mutex_);
    streams_.erase(stream);
  }

  void Write(const ByteBuffer& message);

 private:
  std::mutex mutex_;
  std::set<Stream*> streams_;  // guarded by mutex_
};

// One write under way at a time. Deletes itself.
class Stream final : public grpc::ServerWriteReactor<ByteBuffer> {
 public:
  Stream(Streams& streams, const ByteBuffer& first) : streams_(streams) {
    streams_.Add(this);
    Write(first);
  }

  // `message` outlives the stream.
  void Write(const ByteBuffer& message) {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(&message);
      if (waiting_.size() > 1) return;
    }
    StartWrite(&message);
  }

  void OnWriteDone(bool ok) override {
    const ByteBuffer* next = nullptr;
    {
      std::lock_guard lock(mutex_);
      waiting_.erase(waiting_.begin());
      if (!ok) waiting_.clear();
      if (!waiting_.empty()) next = waiting_.front();
    }
    if (next != nullptr) StartWrite(next);
  }

  void OnCancel() override { Finish(grpc::Status::CANCELLED); }

  void OnDone() override {
    streams_.Remove(this);
    delete this;
  }

 private:
  Streams& streams_;
  std::mutex mutex_;
  std::vector<const ByteBuffer*> waiting_;  // guarded by mutex_; the first is under way
};

void Streams::Write(const ByteBuffer& message) {
  std::lock_guard lock(mutex_);
  for (Stream* stream : streams_) stream->Write(message);
}

class Service final : public vigil::v1::PodEventService::WithRawCallbackMethod_Subscribe<
                          vigil::v1::PodEventService::Service> {
 public:
  explicit Service(Streams& streams) : streams_(streams) {}

  grpc::ServerWriteReactor<ByteBuffer>* Subscribe(grpc::CallbackServerContext*,
                                                  const ByteBuffer*) override {
    return new Stream(streams_, first_);
  }

 private:
  Streams& streams_;
  const ByteBuffer first_ = BufferOf("");
};

// One connection to Postgres. Whatever fails ends the process.
class Database {
 public:
  Database() {
    const char* conninfo = std::getenv("VIGIL_BENCH_DATABASE");
    connection_ = PQconnectdb(conninfo == nullptr ? "" : conninfo);
    if (PQstatus(connection_) != CONNECTION_OK) Die("connect", PQerrorMessage(connection_));
    Check(PQprepare(connection_, "insert", "INSERT INTO raw_events (kind) VALUES ('POD_DIED')", 0,
                    nullptr));
  }

  void Commit() { Check(PQexecPrepared(connection_, "insert", 0, nullptr, nullptr, nullptr, 0)); }

 private:
  void Check(PGresult* result) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK) Die("insert", PQerrorMessage(connection_));
    PQclear(result);
  }

  PGconn* connection_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  sigset_t orders;
  sigemptyset(&orders);
  sigaddset(&orders, SIGUSR1);
  sigaddset(&orders, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &orders, nullptr);

  const ByteBuffer message = BufferOf(vigil::bench::FromHexadecimal(argv[1]));
  const vigil::SystemClock clock;
  Database database;
  Streams streams;
  Service service(streams);
  const auto server = vigil::bench::ListenAsCoordinatorsDo({&service});
  if (!server) Die("listen", "no port");
  std::vector<vigil::Instant> acknowledged;
  for (int order = 0; sigwait(&orders, &order) == 0;) {
    if (order == SIGUSR1) {
      database.Commit();
      acknowledged.push_back(clock.Now());
      streams.Write(message);
      continue;
    }
    std::printf("acknowledged");
    for (const vigil::Instant at : acknowledged) {
      std::printf(" %lld", static_cast<long long>(at.time_since_epoch().count()));
    }
    std::printf("\n");
  }
}
