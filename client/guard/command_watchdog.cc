#include "guard/command_watchdog.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace vigil::client {
namespace {

// Longer messages than any that the protocol knows are cut.
constexpr std::size_t kLongestMessage = 4096;
// So that a command that floods the socket cannot hold the guardian up.
constexpr int kMessagesAtOnce = 64;

// What one datagram says, and who sent it.
struct Message {
  std::string_view text;
  ucred sender;
};

// Takes one datagram. Descriptors that came with it are closed by the kernel, for there is no room
// for them.
std::optional<Message> Receive(int socket, std::array<char, kLongestMessage>& buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return std::nullopt;
  Message message{{buffer.data(), static_cast<std::size_t>(size)}, {0, ~0U, ~0U}};
  const cmsghdr* credentials = CMSG_FIRSTHDR(&header);
  if (credentials != nullptr && credentials->cmsg_type == SCM_CREDENTIALS)
    std::memcpy(&message.sender, CMSG_DATA(credentials), sizeof message.sender);
  return message;
}

bool Says(std::string_view text, std::string_view wanted) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line == wanted) return true;
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return false;
}

}  // namespace

Result<CommandWatchdog> CommandWatchdog::Open(Duration limit) {
  if (limit == Duration::zero()) return CommandWatchdog(-1, {}, limit);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);  // without a name: the kernel gives one that nobody has
  const bool open = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 &&
                    bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  size = sizeof address;
  if (!open || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Error error{Code::kInternal,
                Reason::kNone,
                std::string("cannot open the watchdog's socket: ") + std::strerror(errno),
                "Raise the limit of open files.",
                {}};
    if (fd >= 0) close(fd);
    return tl::unexpected(std::move(error));
  }
  // An abstract name begins with a zero byte, which the protocol writes as '@'.
  std::string name(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  name[0] = '@';
  return CommandWatchdog(fd, std::move(name), limit);
}

CommandWatchdog::CommandWatchdog(CommandWatchdog&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      name_(std::move(other.name_)),
      limit_(other.limit_),
      group_(other.group_),
      fed_at_(other.fed_at_),
      unwell_(other.unwell_) {}

CommandWatchdog::~CommandWatchdog() {
  if (socket_ >= 0) close(socket_);
}

std::map<std::string, std::string> CommandWatchdog::Environment() const {
  if (socket_ < 0) return {};
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(limit_);
  return {{"NOTIFY_SOCKET", name_}, {"WATCHDOG_USEC", std::to_string(limit.count())}};
}

void CommandWatchdog::Begin(pid_t group, Time now) {
  group_ = group;
  fed_at_ = now;
  unwell_ = false;
}

void CommandWatchdog::Read(Time now) {
  std::array<char, kLongestMessage> buffer{};
  for (int i = 0; socket_ >= 0 && i < kMessagesAtOnce; ++i) {
    const auto message = Receive(socket_, buffer);
    if (!message) return;
    const bool ours =
        message->sender.uid == getuid() || (group_ != 0 && getpgid(message->sender.pid) == group_);
    if (!ours) continue;
    if (Says(message->text, "WATCHDOG=1")) fed_at_ = now;
    if (Says(message->text, "WATCHDOG=trigger")) unwell_ = true;
  }
}

std::optional<Time> CommandWatchdog::starves_at() const {
  if (socket_ < 0 || group_ == 0) return std::nullopt;
  return unwell_ ? fed_at_ : fed_at_ + limit_;
}

}  // namespace vigil::client
