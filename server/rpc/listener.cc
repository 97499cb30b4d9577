#include "rpc/listener.h"

#include <grpcpp/resource_quota.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;

constexpr int kLargestMessage = 256 * 1024;
// A token has at most half of it.
constexpr int kLargestMetadata = 8 * 1024;
// Peers are asked for a sign of life this often, and have this long to give one.
constexpr int kKeepaliveMillis = 10'000;
constexpr int kKeepaliveTimeoutMillis = 5'000;
// Who pings more often than this is closed with "too_many_pings" at the third time. A client of the
// library sends none of its own: its heartbeats and the server's pings are enough.
constexpr int kLeastPingMillis = 1'000;
constexpr int kPingStrikes = 2;
// Until TLS and HTTP/2 are settled.
constexpr int kHandshakeMillis = 10'000;
constexpr int kIdleMillis = 300'000;
// Reflection alone has a thread for each call, for as long as that lasts; the others have
// callbacks.
constexpr int kMostThreads = 32;

// How long nobody is taken in when no descriptor is left, and how often it is looked who has gone
// while there is no room.
constexpr milliseconds kPause(100);
constexpr std::chrono::minutes kComplaints(1);

void SetLimits(grpc::ServerBuilder& builder, int streams) {
  // No bound on its memory: gRPC would end calls of its own choice, and so sessions of living pods.
  builder.SetResourceQuota(grpc::ResourceQuota("vigild").SetMaxThreads(kMostThreads));
  builder.SetMaxReceiveMessageSize(kLargestMessage);
  for (const auto& [name, value] : {
           std::pair(GRPC_ARG_MAX_METADATA_SIZE, kLargestMetadata),
           std::pair(GRPC_ARG_MAX_CONCURRENT_STREAMS, streams),
           std::pair(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis),
           std::pair(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis),
           std::pair(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
           std::pair(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingMillis),
           std::pair(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingStrikes),
           std::pair(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMillis),
           std::pair(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMillis),
       }) {
    builder.AddChannelArgument(name, value);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }

  int number() const { return number_; }
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Failure CannotListen(const std::string& address, const std::string& why) {
  return Fail(Error{Code::kUnavailable,
                    "INTERNAL",
                    "cannot listen on " + address + ": " + why,
                    "Choose another address with --listen, or stop what listens there.",
                    {}});
}

void Set(int socket, int level, int option, int value) {
  static_cast<void>(setsockopt(socket, level, option, &value, sizeof(value)));
}

// A socket that listens on this address, on `port` if it is not zero. Error: an errno.
tl::expected<Descriptor, int> ListenOn(const addrinfo& address, int port) {
  Descriptor socket(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.number() < 0) return tl::unexpected(errno);
  sockaddr_storage local{};
  std::memcpy(&local, address.ai_addr, address.ai_addrlen);
  if (port != 0 && address.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(local).sin6_port = htons(static_cast<uint16_t>(port));
  } else if (port != 0) {
    reinterpret_cast<sockaddr_in&>(local).sin_port = htons(static_cast<uint16_t>(port));
  }
  Set(socket.number(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(socket.number(), reinterpret_cast<const sockaddr*>(&local), address.ai_addrlen) != 0 ||
      listen(socket.number(), SOMAXCONN) != 0) {
    return tl::unexpected(errno);
  }
  return socket;
}

int PortOf(int socket) {
  sockaddr_storage local{};
  socklen_t length = sizeof(local);
  VIGIL_CHECK(getsockname(socket, reinterpret_cast<sockaddr*>(&local), &length) == 0);
  return ntohs(local.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(local).sin6_port
                                           : reinterpret_cast<const sockaddr_in&>(local).sin_port);
}

// Whether it is still connected; gRPC would complain of each that is not.
bool HasPeer(int socket) {
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  return getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

// What a descriptor stands for; nothing when it is closed.
ino_t InodeOf(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// The connections that gRPC has been handed. It does not say when it closes one: then the number of
// the descriptor stands for nothing, or for something else.
class Room {
 public:
  explicit Room(size_t most) : most_(most) {}

  bool Admits() {
    if (open_.size() < most_) return true;
    const Instant now = clock_.Now();
    if (now < looked_ + kPause) return false;
    looked_ = now;
    std::erase_if(open_, [](const auto& one) { return InodeOf(one.first) != one.second; });
    return open_.size() < most_;
  }

  void Enter(int descriptor) { open_[descriptor] = InodeOf(descriptor); }

 private:
  const SystemClock clock_;
  const size_t most_;
  std::unordered_map<int, ino_t> open_;
  Instant looked_{};
};

}  // namespace

class Listener::Parts {
 public:
  explicit Parts(PeerLimits limits) : limits_(limits), room_(limits.connections) {}

  Result<void> AddTo(grpc::ServerBuilder& builder, const std::string& address,
                     std::shared_ptr<grpc::ServerCredentials> credentials) {
    if (auto listening = Listen(address); !listening) return listening;
    SetLimits(builder, limits_.streams_per_connection);
    using Experimental = grpc::ServerBuilder::experimental_type;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        Experimental::ExternalConnectionType::FROM_FD, std::move(credentials));
    return {};
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "vigil-listener");
  }

  void Stop() {
    if (!thread_.joinable()) return;
    VIGIL_CHECK(eventfd_write(stop_.number(), 1) == 0);
    thread_.join();
    sockets_.clear();
  }

  int port() const { return port_; }

 private:
  Result<void> Listen(const std::string& address) {
    const auto found = ResolveToListen(address);
    if (!found) return CannotListen(address, found.error());
    int unusable = 0;
    for (const addrinfo* one = found->get(); one; one = one->ai_next) {
      auto socket = ListenOn(*one, port_);
      if (socket) {
        port_ = PortOf(socket->number());
        sockets_.push_back(std::move(*socket));
      } else if (socket.error() == EAFNOSUPPORT || socket.error() == EADDRNOTAVAIL) {
        unusable = socket.error();  // a name may stand for addresses that this machine has not
      } else {
        return CannotListen(address, std::strerror(socket.error()));
      }
    }
    if (sockets_.empty()) return CannotListen(address, std::strerror(unusable));
    return {};
  }

  void Run() {
    std::vector<pollfd> watched{{stop_.number(), POLLIN, 0}};
    for (const Descriptor& socket : sockets_) watched.push_back({socket.number(), POLLIN, 0});
    while (true) {
      // While no descriptor is left, the sockets would wake it without rest.
      const nfds_t count = failing_ ? 1 : watched.size();
      const int timeout = failing_ ? static_cast<int>(kPause.count()) : -1;
      if (poll(watched.data(), count, timeout) < 0) continue;
      if (watched.front().revents != 0) return;
      for (const Descriptor& socket : sockets_) TakeAll(socket.number());
    }
  }

  void TakeAll(int listening) {
    while (true) {
      Descriptor connection(accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (connection.number() >= 0) {
        failing_ = false;
        Take(listening, std::move(connection));
        continue;
      }
      switch (errno) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
          continue;  // it ended before it was taken
        case EAGAIN:
          failing_ = false;
          return;
        default:
          if (!std::exchange(failing_, true)) {
            log::Warning("No connection over gRPC can be taken.",
                         {{"error", std::strerror(errno)}});
          }
          return;
      }
    }
  }

  void Take(int listening, Descriptor connection) {
    if (!HasPeer(connection.number())) return;
    if (!room_.Admits()) {
      ComplainOfCrowd();
      return;
    }
    Set(connection.number(), IPPROTO_TCP, TCP_NODELAY, 1);
    Set(connection.number(), IPPROTO_TCP, TCP_USER_TIMEOUT, kKeepaliveTimeoutMillis);
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters handed;
    handed.listener_fd = listening;
    handed.fd = connection.Release();
    room_.Enter(handed.fd);
    acceptor_->HandleNewConnection(&handed);
  }

  void ComplainOfCrowd() {
    const Instant now = clock_.Now();
    if (now < complained_ + kComplaints) return;
    complained_ = now;
    log::Warning("Connections over gRPC are closed: there are as many as there may be.",
                 {{"max_connections", limits_.connections},
                  {"hint", "Find out who opens them, or raise --grpc-connections."}});
  }

  const SystemClock clock_;
  const PeerLimits limits_;
  std::vector<Descriptor> sockets_;
  const Descriptor stop_{eventfd(0, EFD_CLOEXEC)};
  int port_ = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::thread thread_;
  // The thread's.
  Room room_;
  bool failing_ = false;  // the last connection could not be taken
  Instant complained_{};
};

Listener::Listener(PeerLimits limits) : parts_(std::make_unique<Parts>(limits)) {}

Listener::~Listener() { parts_->Stop(); }

Result<void> Listener::AddTo(grpc::ServerBuilder& builder, const std::string& address,
                             std::shared_ptr<grpc::ServerCredentials> credentials) {
  return parts_->AddTo(builder, address, std::move(credentials));
}

void Listener::Start() { parts_->Start(); }
void Listener::Stop() { parts_->Stop(); }
int Listener::port() const { return parts_->port(); }

}  // namespace vigil
