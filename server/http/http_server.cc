#include "http/http_server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <random>
#include <thread>
#include <utility>

#include "base/address.h"
#include "base/log.h"
#include "core/errors.h"
#include "http/connection.h"

namespace vigil {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Connections beyond the limit that are heard, for a probe; others are closed without a word.
constexpr size_t kTurnedAway = 64;
// The kernel doubles it.
constexpr int kSendBuffer = 128 * 1024;
// How often to look whether what is under way at the end is done; and how long to wait when no
// connection can be taken, since the process has no descriptor left.
constexpr std::chrono::milliseconds kStopCheck(10);
constexpr std::chrono::milliseconds kAcceptPause(100);
// All clients of a coordinator that is gone would come back at once.
constexpr int kFirstRetryMillis = 1'000;
constexpr int kLastRetryMillis = 3'000;

Failure CannotListen(const std::string& address, const std::string& why) {
  return Fail(
      Error{Code::kUnavailable,
            "INTERNAL",
            "cannot listen on " + address + ": " + why,
            "Choose another address with --http-listen, or `off`, or stop what listens there.",
            {}});
}

// A client whose machine is gone would keep its place.
void SetUp(HttpSocket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::send_buffer_size(kSendBuffer), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  for (const auto& [option, value] :
       {std::pair(TCP_KEEPIDLE, 10), std::pair(TCP_KEEPINTVL, 5), std::pair(TCP_KEEPCNT, 3)}) {
    static_cast<void>(
        setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof(value)));
  }
}

}  // namespace

class HttpServer::Parts {
 public:
  Parts(HttpEnvironment environment, size_t max_connections)
      : env_(std::move(environment)), max_connections_(max_connections) {}

  Result<void> Start(const std::string& address) {
    if (auto listening = Listen(address); !listening) return listening;
    Accept();
    thread_ = std::thread([this] { context_.run(); });
    log::Info("Serving HTTP.",
              {{"address", address}, {"port", port()}, {"max_connections", max_connections_}});
    return {};
  }

  int port() const { return port_; }

  void Stop(Duration patience) {
    if (!thread_.joinable()) return;
    boost::asio::post(context_, [this, patience] {
      error_code ignored;
      acceptor_.close(ignored);
      CloseWhenWritten(env_.clock.Now() + patience);
    });
    thread_.join();
  }

 private:
  Result<void> Listen(const std::string& address) {
    const auto [host, port] = SplitAddress(address);
    error_code error;
    const auto found = tcp::resolver(context_).resolve(host, port, tcp::resolver::passive, error);
    if (error) return CannotListen(address, error.message());
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return CannotListen(address, error.message());
    port_ = acceptor_.local_endpoint(error).port();
    return {};
  }

  void Accept() {
    acceptor_.async_accept([this](const error_code& error, HttpSocket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        failing_ = false;
        Take(std::move(socket));
        Accept();
        return;
      }
      if (!std::exchange(failing_, true)) {
        log::Warning("No connection over HTTP can be taken.", {{"error", error.message()}});
      }
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](const error_code& aborted) {
        if (!aborted && acceptor_.is_open()) Accept();
      });
    });
  }

  void Take(HttpSocket socket) {
    const bool full = connections_ >= max_connections_;
    // Whoever keeps us waiting makes room for who comes: such connections cost nothing to open.
    const bool made_room = full && !line_.empty();
    if (made_room) line_.CloseFirst();
    if (connections_ >= max_connections_ + kTurnedAway) return;
    SetUp(socket);
    Peer peer{std::move(socket), Count(connections_), line_, env_, context_};
    if (full && !made_room) {
      TurnAway(std::move(peer), reception_);
    } else {
      ServeRequests(std::move(peer), reception_);
    }
  }

  static Place Count(size_t& number) {
    ++number;
    return {nullptr, [&number](void*) { --number; }};
  }

  Duration Retry() {
    return std::chrono::milliseconds(
        std::uniform_int_distribution<int>(kFirstRetryMillis, kLastRetryMillis)(random_));
  }

  void CloseWhenWritten(Instant deadline) {
    if (streams_ == 0 || env_.clock.Now() >= deadline) {
      context_.stop();
      return;
    }
    pause_.expires_after(kStopCheck);
    pause_.async_wait([this, deadline](const error_code&) { CloseWhenWritten(deadline); });
  }

  const HttpEnvironment env_;
  const size_t max_connections_;
  int port_ = 0;
  const Reception reception_{
      .probe = [this](const Probe& probe) { return AnswerTo(probe, env_.health()); },
      .retry = [this] { return Retry(); },
      .stream = [this] { return Count(streams_); }};
  // The HTTP thread's.
  Line line_;
  size_t connections_ = 0;
  size_t streams_ = 0;
  // The last connection could not be taken.
  bool failing_ = false;
  std::mt19937 random_{std::random_device()()};
  HttpContext context_{1};
  tcp::acceptor acceptor_{context_};
  boost::asio::steady_timer pause_{context_};
  std::thread thread_;
};

HttpServer::HttpServer(HttpEnvironment environment, size_t max_connections)
    : parts_(std::make_unique<Parts>(std::move(environment), max_connections)) {}

HttpServer::~HttpServer() { Stop({}); }

Result<void> HttpServer::Start(const std::string& address) { return parts_->Start(address); }
int HttpServer::port() const { return parts_->port(); }
void HttpServer::Stop(Duration patience) { parts_->Stop(patience); }

}  // namespace vigil
