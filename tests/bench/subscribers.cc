// Many subscribers in one small process, so that what they cost is not counted with the server.
//
//   vigil_bench_subscribers ADDRESS NAMESPACE COUNT reading|stalled
//
// Each has a connection of its own, and follows the namespace from now. Messages stay bytes: what
// is measured is their way here. Prints "joined" when each of them has had its first message, and
// "event NUMBER MESSAGE AT DELAY..." when each of them has had the next events: the message in
// hexadecimal digits, which was the same for all, the first receipt in ns of CLOCK_BOOTTIME, and
// how many ns later than that each of them had it.
//
// Those that are stalled read nothing more after their first message until SIGUSR1; then they read
// what there is. Prints "ended COUNT EVENTS MESSAGE" when all streams have ended: how many messages
// with events were read in all, and the last message of all.
#include <absl/synchronization/mutex.h>
#include <grpcpp/alarm.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "hexadecimal.h"
#include "vigil/v1/pod_event_service.pb.h"

namespace {

using vigil::Instant;
using vigil::bench::ToHexadecimal;

// Connections that are made at once.
constexpr size_t kJoiningAtMost = 64;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "vigil_bench_subscribers: %s\n", why.c_str());
  std::_Exit(1);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  static_cast<void>(buffer.Dump(&slices));
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// By the tag, which is the first byte of the message.
bool CarriesEvents(const grpc::ByteBuffer& message) {
  constexpr char kTag = vigil::v1::SubscribeResponse::kEventsFieldNumber << 3 | 2;
  return BytesOf(message).starts_with(kTag);
}

struct Subscriber {
  enum class Stage { kConnecting, kAsking, kReading, kEnding };

  Stage stage = Stage::kConnecting;
  bool joined = false;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  grpc::ByteBuffer incoming;
  grpc::Status status;
  // Those that not everybody has had.
  std::deque<std::pair<Instant, grpc::ByteBuffer>> events;
};

// Runs on the main thread; each stream has one operation under way.
class Subscribers {
 public:
  Subscribers(std::string address, const std::string& ns, size_t count, bool stalled)
      : address_(std::move(address)), stalled_(stalled), subscribers_(count) {
    vigil::v1::SubscribeRequest request;
    request.set_namespace_(ns);
    request.mutable_from_now();
    const grpc::Slice slice(request.SerializeAsString());
    request_ = grpc::ByteBuffer(&slice, 1);
  }

  void Run() {
    for (size_t i = 0; i < kJoiningAtMost; ++i) JoinNext();
    void* tag = nullptr;
    bool ok = false;
    while (ended_ < subscribers_.size() && queue_.Next(&tag, &ok)) {
      const Instant now = clock_.Now();
      if (tag == nullptr) {
        ReadOn();
      } else {
        Step(*static_cast<Subscriber*>(tag), ok, now);
      }
    }
    std::printf("ended %zu %zu %s\n", ended_, events_, ToHexadecimal(BytesOf(last_)).c_str());
  }

  // Lets those that are stalled read on. Any thread, once.
  void Wake() { alarm_.Set(&queue_, gpr_time_0(GPR_CLOCK_REALTIME), nullptr); }

 private:
  void JoinNext() {
    if (begun_ == subscribers_.size()) return;
    Subscriber& subscriber = subscribers_[begun_++];
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // Who is stalled has no window that grows by itself.
    if (stalled_) arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    grpc::GenericStub stub(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
    subscriber.call =
        stub.PrepareCall(&subscriber.context, "/vigil.v1.PodEventService/Subscribe", &queue_);
    subscriber.call->StartCall(&subscriber);
  }

  void ReadOn() {
    stalled_ = false;
    for (Subscriber& subscriber : subscribers_) Read(subscriber);
  }

  void Read(Subscriber& subscriber) { subscriber.call->Read(&subscriber.incoming, &subscriber); }

  void Step(Subscriber& subscriber, bool ok, Instant now) {
    using Stage = Subscriber::Stage;
    if (subscriber.stage == Stage::kEnding) {
      ++ended_;
      if (!joined()) Die("a stream ended at once: " + subscriber.status.error_message());
    } else if (!ok) {
      subscriber.stage = Stage::kEnding;
      subscriber.call->Finish(&subscriber.status, &subscriber);
    } else if (subscriber.stage == Stage::kConnecting) {
      subscriber.stage = Stage::kAsking;
      subscriber.call->WriteLast(request_, grpc::WriteOptions(), &subscriber);
    } else if (subscriber.stage == Stage::kAsking) {
      subscriber.stage = Stage::kReading;
      Read(subscriber);
    } else {
      Took(subscriber, now);
    }
  }

  void Took(Subscriber& subscriber, Instant now) {
    grpc::ByteBuffer message;
    message.Swap(&subscriber.incoming);
    if (!stalled_) Read(subscriber);
    if (!std::exchange(subscriber.joined, true)) {
      if (++joined_ == subscribers_.size()) std::printf("joined\n");
      JoinNext();
      return;
    }
    last_ = message;
    if (!CarriesEvents(message)) return;
    ++events_;
    subscriber.events.emplace_back(now, std::move(message));
    // Only what everybody has had is whole; nobody is two ahead of anybody for long.
    if (subscriber.events.size() == 1 && ++at_the_next_ == subscribers_.size()) Report();
  }

  // The next event of everybody.
  void Report() {
    at_the_next_ = 0;
    const std::string message = BytesOf(subscribers_.front().events.front().second);
    Instant first = Instant::max();
    for (const Subscriber& subscriber : subscribers_) {
      const auto& [at, bytes] = subscriber.events.front();
      if (BytesOf(bytes) != message) Die("subscribers were told different things");
      first = std::min(first, at);
    }
    std::printf("event %zu %s %lld", ++reported_, ToHexadecimal(message).c_str(),
                static_cast<long long>(first.time_since_epoch().count()));
    for (Subscriber& subscriber : subscribers_) {
      const auto delay = subscriber.events.front().first - first;
      std::printf(" %lld", static_cast<long long>(delay.count()));
      subscriber.events.pop_front();
      if (!subscriber.events.empty()) ++at_the_next_;
    }
    std::printf("\n");
  }

  bool joined() const { return joined_ == subscribers_.size(); }

  const std::string address_;
  bool stalled_;
  grpc::ByteBuffer request_;
  const vigil::SystemClock clock_;
  grpc::CompletionQueue queue_;
  grpc::Alarm alarm_;
  std::deque<Subscriber> subscribers_;
  size_t begun_ = 0;
  size_t joined_ = 0;
  size_t ended_ = 0;
  size_t events_ = 0;
  size_t reported_ = 0;
  size_t at_the_next_ = 0;
  grpc::ByteBuffer last_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 20);
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &wake, nullptr);
  // As a coordinator does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const bool stalled = argv[4] == std::string_view("stalled");
  Subscribers subscribers(argv[1], argv[2], static_cast<size_t>(std::atoi(argv[3])), stalled);
  std::thread([&] {
    int signal = 0;
    sigwait(&wake, &signal);
    subscribers.Wake();
  }).detach();
  subscribers.Run();
  std::fflush(stdout);
  std::_Exit(0);
}
