#include "support/network_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>

#include "support/process.h"

namespace vigil {
namespace {

constexpr int kMostNamespaces = 250;
constexpr auto kCommandLimit = std::chrono::seconds(20);
constexpr auto kHint =
    "Run as root, on Linux with network namespaces and nftables; `./dev setup` installs the "
    "programs (iproute2, nftables).";

// Why this process is not in a network of its own; empty when it is.
std::string not_entered = "this process is not in a network of its own";

Failure Unable(const std::string& what, const std::string& why) {
  return Fail(Error{
      .code = Code::kFailedPrecondition, .message = "cannot " + what + ": " + why, .hint = kHint});
}

// The calling thread into a new network, with its loopback device up. Zero, or the error's number.
int Unshare() {
  if (unshare(CLONE_NEWNET) != 0) return errno;
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const int reason = ioctl(any, SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
  close(any);
  return reason;
}

Result<void> RunCommand(const std::string& what, std::vector<std::string> command) {
  const auto process = Process::Spawn({.command = std::move(command)});
  if (!process) return Unable(what, process.error().message);
  if ((*process)->AwaitEnd(kCommandLimit) == 0) return {};
  return Unable(what, (*process)->Transcript());
}

std::string VerdictOf(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::kDrop:
      return "drop";
    case Fault::Kind::kLoseHalf:
      return "numgen random mod 2 == 0 drop";
    // But for the resets themselves, which go the same ways.
    case Fault::Kind::kReject:
      return "tcp flags & rst == 0 reject with tcp reset";
  }
  return "";
}

std::string RulesFor(const std::vector<Fault>& faults) {
  std::string rules =
      "flush ruleset; add table ip faults; "
      "add chain ip faults inwards { type filter hook input priority 0; }; "
      "add chain ip faults outwards { type filter hook output priority 0; }; ";
  for (const Fault& fault : faults) {
    const std::string rest = " " + std::to_string(fault.port) + " " + VerdictOf(fault.kind) + "; ";
    if (fault.way != Fault::Way::kOutwards) rules += "add rule ip faults inwards tcp sport" + rest;
    if (fault.way != Fault::Way::kInwards) rules += "add rule ip faults outwards tcp dport" + rest;
  }
  return rules;
}

}  // namespace

Result<void> EnterOwnNetwork() {
  if (const int reason = Unshare(); reason != 0) {
    not_entered = std::strerror(reason);
    return Unable("make a network namespace", not_entered);
  }
  auto named = RunCommand("give the loopback device an address",
                          {"ip", "address", "add", std::string(kHubAddress) + "/32", "dev", "lo"});
  not_entered = named ? "" : named.error().message;
  return named;
}

Result<std::unique_ptr<NetworkNamespace>> NetworkNamespace::Make() {
  static std::atomic<int> made = 0;
  if (!not_entered.empty()) return Unable("make a network namespace", not_entered);
  const int number = ++made;
  if (number > kMostNamespaces) return Unable("make a network namespace", "too many were made");
  int handle = -1;
  int reason = 0;
  // A thread of its own, since the calling one must stay where it is.
  std::thread([&] {
    reason = Unshare();
    if (reason != 0) return;
    handle = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (handle < 0) reason = errno;
  }).join();
  if (reason != 0) return Unable("make a network namespace", std::strerror(reason));
  std::unique_ptr<NetworkNamespace> made_now(new NetworkNamespace(handle, number));
  if (auto joined = made_now->Join(); !joined) return Fail(joined.error());
  return made_now;
}

NetworkNamespace::NetworkNamespace(int handle, int number)
    : handle_(handle),
      device_("vigil" + std::to_string(number)),
      gateway_("10.77." + std::to_string(number) + ".1"),
      address_("10.77." + std::to_string(number) + ".2") {}

NetworkNamespace::~NetworkNamespace() {
  static_cast<void>(RunCommand("remove a veth pair", {"ip", "link", "delete", device_}));
  close(handle_);
}

Result<void> NetworkNamespace::Join() {
  const std::string path = Enter().back();
  const std::string enter = "nsenter " + path + " ip ";
  return RunCommand(
      "join a network namespace",
      {"/bin/sh", "-ec",
       "ip link add " + device_ + " type veth peer name eth0 netns " +
           path.substr(std::string_view("--net=").size()) + "\nip address add " + gateway_ +
           "/24 dev " + device_ + "\nip link set " + device_ + " up\n" + enter + "address add " +
           address_ + "/24 dev eth0\n" + enter + "link set eth0 up\n" + enter +
           "route add default via " + gateway_ + "\n"});
}

std::vector<std::string> NetworkNamespace::Enter() const {
  return {"nsenter", "--net=/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(handle_)};
}

Result<void> NetworkNamespace::Inflict(const std::vector<Fault>& faults) {
  std::vector<std::string> command = Enter();
  command.insert(command.end(), {"nft", RulesFor(faults)});
  return RunCommand("set the rules of a network namespace", std::move(command));
}

}  // namespace vigil
