// Many pods that live and do nothing else, and beside each of them a stream to the raw echo, which
// gets the same messages at the same times.
//
//   vigil_bench_steady_pods NAMESPACE PODS PODS-PER-CONNECTION ECHO-ADDRESS ADDRESS...
//
// The connections are spread over the coordinators at ADDRESS... in turn; the echo has as many.
// Prints "registered NANOSECONDS" when all pods are, and how long that took, and "joined" when all
// streams of the echo are there, too. From its registration on each pod sends a heartbeat a second,
// all of them spread evenly over the second. At SIGUSR1 prints what came of it since the last time:
//
//   beaten NUMBER LATEST UNANSWERED (COUNT MIN MEDIAN PERCENTILE MAX of Vigil) (... of the echo)
//
// NUMBER counts these lines, LATEST is how long after its time the latest heartbeat was sent,
// UNANSWERED how many were left out since the one before was not answered, and the others the
// number of the answers and how long they took, PERCENTILE being the 99th; all times in
// nanoseconds. A pod that is refused anything ends the process.
#include <absl/synchronization/mutex.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "statistics.h"
#include "vigil/v1/pod_registry_service.pb.h"

namespace {

using vigil::Duration;
using vigil::Instant;
namespace v1 = vigil::v1;

// Streams that are opened at once.
constexpr size_t kJoiningAtMost = 64;
constexpr auto kLease = std::chrono::seconds(3);
constexpr Duration kRound = std::chrono::seconds(1);
// How long nothing is sent at most: heartbeats leave no more than that after their time.
constexpr int kTickMillis = 1;
// What is taken at most before it is looked who has to send.
constexpr int kTakenAtOnce = 100;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "vigil_bench_steady_pods: %s\n", why.c_str());
  std::_Exit(1);
}

grpc::ByteBuffer BufferOf(const v1::SessionRequest& request) {
  const grpc::Slice slice(request.SerializeAsString());
  return {&slice, 1};
}

struct Stream;

struct Operation {
  enum class Kind { kOpen, kWrite, kRead, kEnd };
  Stream* stream = nullptr;
  Kind kind = Kind::kOpen;
};

struct Stream {
  size_t pod = 0;
  bool echo = false;
  bool joined = false;
  // A heartbeat of this time is not answered yet, or still being written.
  bool writing = false;
  bool waiting = false;
  Instant beaten{};
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  grpc::ByteBuffer incoming;
  grpc::Status status;
  Operation open{this, Operation::Kind::kOpen}, write{this, Operation::Kind::kWrite},
      read{this, Operation::Kind::kRead}, end{this, Operation::Kind::kEnd};
};

// Where the streams of one server go.
class Connections {
 public:
  Connections(std::vector<std::string> addresses, size_t per_connection)
      : addresses_(std::move(addresses)), per_connection_(per_connection) {}

  grpc::GenericStub& Of(size_t pod) {
    const size_t number = pod / per_connection_;
    while (stubs_.size() <= number) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
      stubs_.emplace_back(grpc::CreateCustomChannel(addresses_[stubs_.size() % addresses_.size()],
                                                    grpc::InsecureChannelCredentials(), arguments));
    }
    return stubs_[number];
  }

 private:
  const std::vector<std::string> addresses_;
  const size_t per_connection_;
  std::deque<grpc::GenericStub> stubs_;
};

// What was answered since the last report.
struct Answers {
  std::vector<Duration> took;

  void Print() {
    if (took.empty()) took.push_back({});
    const auto summary = vigil::bench::Summarize(took);
    std::printf(" %zu", took.size());
    for (const Duration one : {summary.min, summary.p50, summary.p99, summary.max}) {
      std::printf(" %lld", static_cast<long long>(one.count()));
    }
    took.clear();
  }
};

// Runs on the main thread. The first half of the streams are the pods', the second their echoes.
class SteadyPods {
 public:
  SteadyPods(std::string ns, size_t pods, size_t per_connection, std::string echo_address,
             std::vector<std::string> addresses)
      : ns_(std::move(ns)),
        pods_(pods),
        coordinators_(std::move(addresses), per_connection),
        echo_({std::move(echo_address)}, per_connection),
        streams_(2 * pods) {}

  [[noreturn]] void Run() {
    begun_ = clock_.Now();
    while (true) {
      while (opened_ < std::min(joined_ + kJoiningAtMost, allowed())) Open();
      BeatThoseDue();
      if (asked_.exchange(false)) Report();
      Take();
    }
  }

  // For a report. Any thread.
  void Ask() { asked_ = true; }

 private:
  // The echo's streams are opened when the pods are there.
  size_t allowed() const { return joined_ < pods_ ? pods_ : streams_.size(); }

  void Open() {
    Stream& stream = streams_[opened_];
    stream.pod = opened_ % pods_;
    stream.echo = opened_++ >= pods_;
    Connections& connections = stream.echo ? echo_ : coordinators_;
    stream.call =
        connections.Of(stream.pod)
            .PrepareCall(&stream.context, "/vigil.v1.PodRegistryService/Session", &queue_);
    stream.call->StartCall(&stream.open);
  }

  grpc::ByteBuffer Registration(const Stream& stream) const {
    v1::SessionRequest request;
    auto& registration = *request.mutable_register_();
    registration.set_namespace_(ns_);
    registration.set_name("pod-" + std::to_string(stream.pod));
    registration.set_registration_id("one-life-of-pod-" + std::to_string(stream.pod));
    registration.set_profile(v1::PROFILE_STRICT);
    registration.mutable_lease()->set_seconds(kLease.count());
    return BufferOf(request);
  }

  // --- Heartbeats

  // The time of each is its place in the second; they are numbered by the seconds.
  void BeatThoseDue() {
    const Instant now = clock_.Now();
    while (true) {
      const auto place = static_cast<Duration::rep>(next_);
      const Instant due = begun_ + (kRound * place) / static_cast<Duration::rep>(pods_);
      if (due > now) return;
      latest_ = std::max(latest_, now - due);
      if (next_ % pods_ == 0) heartbeat_ = Heartbeat(next_ / pods_ + 1);
      Stream& pod = streams_[next_ % pods_];
      Stream& echo = streams_[next_ % pods_ + pods_];
      const bool pod_first = next_++ % 2 == 0;
      Beat(pod_first ? pod : echo, now);
      Beat(pod_first ? echo : pod, now);
    }
  }

  static grpc::ByteBuffer Heartbeat(uint64_t number) {
    v1::SessionRequest request;
    request.mutable_heartbeat()->set_number(number);
    return BufferOf(request);
  }

  void Beat(Stream& stream, Instant now) {
    if (!stream.joined) return;
    if (stream.waiting || stream.writing) {
      ++unanswered_;
      return;
    }
    stream.writing = stream.waiting = true;
    stream.beaten = now;
    stream.call->Write(heartbeat_, &stream.write);
  }

  void Report() {
    std::printf("beaten %d %lld %zu", ++reports_, static_cast<long long>(latest_.count()),
                unanswered_);
    vigil_.Print();
    echoes_.Print();
    std::printf("\n");
    latest_ = {};
    unanswered_ = 0;
  }

  // --- What happens to the streams

  // What has happened; waits a moment for the first of it.
  void Take() {
    void* tag = nullptr;
    bool ok = false;
    auto patience = gpr_time_from_millis(kTickMillis, GPR_TIMESPAN);
    for (int taken = 0; taken < kTakenAtOnce; ++taken) {
      if (queue_.AsyncNext(&tag, &ok, patience) != grpc::CompletionQueue::GOT_EVENT) return;
      const auto& operation = *static_cast<Operation*>(tag);
      Happened(*operation.stream, operation.kind, ok);
      patience = gpr_time_0(GPR_TIMESPAN);
    }
  }

  void Happened(Stream& stream, Operation::Kind kind, bool ok) {
    using Kind = Operation::Kind;
    if (kind == Kind::kEnd) Die("a stream ended: " + stream.status.error_message());
    if (kind == Kind::kOpen && ok) {
      stream.writing = true;
      stream.call->Write(Registration(stream), &stream.write);
      Read(stream);
    } else if (kind == Kind::kWrite) {
      stream.writing = false;  // when it failed, so does the reading
    } else if (ok) {
      Received(stream);
      Read(stream);
    } else {
      stream.call->Finish(&stream.status, &stream.end);
    }
  }

  void Read(Stream& stream) { stream.call->Read(&stream.incoming, &stream.read); }

  void Received(Stream& stream) {
    grpc::ByteBuffer bytes;
    bytes.Swap(&stream.incoming);
    if (!stream.joined) {
      Joined(stream, bytes);
      return;
    }
    if (!stream.waiting) Die("an answer came that was not asked for");
    stream.waiting = false;
    (stream.echo ? echoes_ : vigil_).took.push_back(clock_.Now() - stream.beaten);
    if (!stream.echo && !AnswerIn(bytes).heartbeat().lease_granted()) {
      Die("a pod was refused a lease");
    }
  }

  void Joined(Stream& stream, grpc::ByteBuffer& bytes) {
    if (!stream.echo && !AnswerIn(bytes).has_registered()) Die("a pod must wait");
    stream.joined = true;
    ++joined_;
    if (joined_ == pods_) {
      const Duration took = clock_.Now() - begun_;
      std::printf("registered %lld\n", static_cast<long long>(took.count()));
    }
    if (joined_ == streams_.size()) std::printf("joined\n");
  }

  // Takes the bytes.
  static v1::SessionResponse AnswerIn(grpc::ByteBuffer& bytes) {
    v1::SessionResponse answer;
    const auto read = grpc::SerializationTraits<v1::SessionResponse>::Deserialize(&bytes, &answer);
    if (!read.ok()) Die("an answer makes no sense");
    return answer;
  }

  const std::string ns_;
  const size_t pods_;
  const vigil::SystemClock clock_;
  grpc::CompletionQueue queue_;
  Connections coordinators_;
  Connections echo_;
  std::deque<Stream> streams_;
  Instant begun_{};
  size_t opened_ = 0;
  size_t joined_ = 0;
  // The heartbeat that is sent next, counted from the beginning, and the bytes of this second's.
  size_t next_ = 0;
  grpc::ByteBuffer heartbeat_ = Heartbeat(1);
  std::atomic<bool> asked_ = false;
  Answers vigil_;
  Answers echoes_;
  Duration latest_{};
  size_t unanswered_ = 0;
  int reports_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  sigset_t ask;
  sigemptyset(&ask);
  sigaddset(&ask, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &ask, nullptr);
  // As a coordinator does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto number = [&](int place) { return std::strtoull(argv[place], nullptr, 10); };
  if (number(2) == 0 || number(3) == 0) return 2;
  SteadyPods pods(argv[1], number(2), number(3), argv[4], {argv + 5, argv + argc});
  std::thread([&] {
    for (int signal = 0; sigwait(&ask, &signal) == 0;) pods.Ask();
  }).detach();
  pods.Run();
}
