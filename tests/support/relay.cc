#include "support/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "support/process.h"

namespace vigil {
namespace {

constexpr size_t kBuffer = 16 * 1024;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// The other end sees a reset, whatever is still on its way.
void Reset(int socket) {
  const linger at_once{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket);
}

}  // namespace

// One direction of a connection: what was read and not yet written.
struct Relay::Flow {
  int from;
  int to;
  std::string waiting;
  bool ended = false;
  size_t passed = 0;
  // When the next slice may go.
  Instant next{};
};

struct Relay::Link {
  Flow request;
  Flow answer;
  bool silent = false;

  Link(int client, int server) : request{client, server, {}}, answer{server, client, {}} {}
  void HalfClose() {
    answer.ended = true;
    answer.waiting.clear();
    shutdown(answer.to, SHUT_WR);
  }
  ~Link() {
    Reset(request.from);
    Reset(request.to);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
};

Result<std::unique_ptr<Relay>> Relay::Start(std::vector<int> target_ports) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 128) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    const std::string why = std::strerror(errno);
    close(listener);
    return Fail(Error{.code = Code::kUnavailable,
                      .message = "a relay cannot listen: " + why,
                      .hint = "Free some ports."});
  }
  return std::unique_ptr<Relay>(
      new Relay(listener, ntohs(address.sin_port), std::move(target_ports)));
}

Relay::Relay(int listener, int port, std::vector<int> target_ports)
    : listener_(listener),
      port_(port),
      target_ports_(std::move(target_ports)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Serve(); }) {}

Relay::~Relay() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  close(listener_);
  close(wake_);
}

void Relay::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = write(wake_, &one, sizeof one);
}

void Relay::Order(const std::function<void()>& order) {
  {
    std::lock_guard lock(mutex_);
    order();
  }
  Wake();
}

size_t Relay::connections() const {
  std::lock_guard lock(mutex_);
  return connections_;
}

size_t Relay::connections_ever() const {
  std::lock_guard lock(mutex_);
  return connections_ever_;
}

void Relay::Isolate() {
  Order([this] { isolated_ = true; });
}

void Relay::Restore() {
  Order([this] {
    isolated_ = false;
    stalled_.reset();
    slices_.reset();
  });
}

void Relay::Stall(size_t after) {
  Order([this, after] { stalled_ = after; });
}

void Relay::Slice(size_t bytes, Duration rest) {
  Order([this, bytes, rest] { slices_ = Slices{bytes, rest}; });
}

void Relay::HalfClose() {
  Order([this] { half_close_ = true; });
}

void Relay::LoseAnswersAfter(size_t bytes, Loss loss) {
  std::lock_guard lock(mutex_);
  plan_ = Plan{bytes, loss};
}

bool Relay::AwaitLoss(Duration within) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, within, [this] { return !plan_; });
}

// --- The thread

void Relay::Serve() {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;
      if (isolated_) links_.clear();
      connections_ = links_.size();
      stalls_after_ = stalled_;
      slicing_ = slices_;
      if (std::exchange(half_close_, false)) {
        for (const auto& link : links_) link->HalfClose();
      }
    }
    const Instant now = Now();
    std::vector<pollfd> fds{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& link : links_) {
      for (const Flow* flow : {&link->request, &link->answer}) {
        const bool answers = flow == &link->answer;
        const bool stalls = answers && stalls_after_ && flow->passed >= *stalls_after_;
        const bool open = !link->silent && !stalls;
        const bool read = open && !flow->ended && flow->waiting.empty();
        const bool due = !answers || !slicing_ || flow->next <= now;
        const bool written = open && !flow->waiting.empty() && due;
        fds.push_back({read ? flow->from : -1, POLLIN, 0});
        fds.push_back({written ? flow->to : -1, POLLOUT, 0});
      }
    }
    if (poll(fds.data(), fds.size(), UntilNextSlice()) < 0) continue;
    uint64_t wakes = 0;
    [[maybe_unused]] const ssize_t size = read(wake_, &wakes, sizeof wakes);
    std::vector<std::unique_ptr<Link>> kept;
    for (size_t i = 0; i < links_.size(); ++i) {
      Link& link = *links_[i];
      const pollfd* mine = &fds[2 + 4 * i];
      bool lives = true;
      if (mine[0].revents != 0 || mine[1].revents != 0) lives = Pass(link, link.request, false);
      if (lives && (mine[2].revents != 0 || mine[3].revents != 0)) {
        lives = Pass(link, link.answer, true);
      }
      if (lives) kept.push_back(std::move(links_[i]));
    }
    links_ = std::move(kept);
    if (fds[1].revents != 0) Accept();
  }
  links_.clear();
}

int Relay::UntilNextSlice() const {
  if (!slicing_ || stalls_after_) return -1;
  Instant next = Instant::max();
  for (const auto& link : links_) {
    if (!link->answer.waiting.empty()) next = std::min(next, link->answer.next);
  }
  if (next == Instant::max()) return -1;
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(next - Now()).count();
  return static_cast<int>(std::max<int64_t>(rest, 0));
}

void Relay::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  bool isolated = false;
  {
    std::lock_guard lock(mutex_);
    isolated = isolated_;
  }
  const int server = isolated ? -1 : Connect();
  if (server < 0) return Reset(client);
  fcntl(server, F_SETFL, O_NONBLOCK);
  const int on = 1;
  for (const int end : {client, server}) {
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  links_.push_back(std::make_unique<Link>(client, server));
  std::lock_guard lock(mutex_);
  ++connections_ever_;
}

int Relay::Connect() {
  for (size_t tries = 0; tries < target_ports_.size(); ++tries) {
    const sockaddr_in address = Loopback(target_ports_[next_target_]);
    next_target_ = (next_target_ + 1) % target_ports_.size();
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return server;
    }
    close(server);
  }
  return -1;
}

bool Relay::Pass(Link& link, Flow& flow, bool answers) {
  if (flow.waiting.empty()) {
    char buffer[kBuffer];
    const ssize_t got = read(flow.from, buffer, sizeof buffer);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
      // A half-closed connection goes on in the other direction.
      flow.ended = true;
      shutdown(flow.to, SHUT_WR);
      return !link.request.ended || !link.answer.ended;
    }
    flow.waiting.assign(buffer, static_cast<size_t>(got));
    if (answers) {
      std::lock_guard lock(mutex_);
      if (plan_ && flow.waiting.size() > plan_->bytes) {
        const auto last = static_cast<size_t>(plan_->bytes);
        [[maybe_unused]] const ssize_t size = write(flow.to, flow.waiting.data(), last);
        link.silent = plan_->loss == Loss::kSilence;
        plan_.reset();
        changed_.notify_all();
        return link.silent;
      }
      if (plan_) plan_->bytes -= flow.waiting.size();
    }
  }
  return Send(flow, answers && slicing_.has_value());
}

bool Relay::Send(Flow& flow, bool sliced) {
  if (sliced && flow.next > Now()) return true;
  const size_t size = sliced ? std::min(flow.waiting.size(), slicing_->bytes) : flow.waiting.size();
  const ssize_t put = send(flow.to, flow.waiting.data(), size, MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  flow.waiting.erase(0, static_cast<size_t>(put));
  flow.passed += static_cast<size_t>(put);
  if (sliced) flow.next = Now() + slicing_->rest;
  return true;
}

}  // namespace vigil
