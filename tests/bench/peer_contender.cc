#include "peer_contender.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/free_port.h"
#include "measuring.h"

namespace vigil::bench {
namespace {

// Debian's own, which has Debian's modules.
constexpr auto kPython = "/usr/bin/python3";

}  // namespace

Ground::Ground(std::string directory)
    : directory_(std::move(directory)), port_(FreePort()), other_port_(FreePort()) {}

Ground::~Ground() {
  std::error_code gone;
  std::filesystem::remove_all(directory_, gone);
}

Result<std::unique_ptr<Ground>> Ground::Find() {
  std::string directory = std::filesystem::temp_directory_path() / "vigil-bench-peer-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    return Fail(Unmeasurable("cannot make a directory " + directory));
  }
  return std::unique_ptr<Ground>(new Ground(std::move(directory)));
}

std::string Ground::Write(const std::string& name, const std::string& text) const {
  std::string path = directory_ + "/" + name;
  std::ofstream(path) << text;
  return path;
}

PeerContender::PeerContender(Traits traits, PeerSetting setting)
    : Contender(std::move(traits)), setting_(std::move(setting)) {}

Result<void> PeerContender::Start() {
  auto ground = Ground::Find();
  if (!ground) return Fail(ground.error());
  ground_ = std::move(*ground);
  auto server = Process::Spawn({.command = setting_.server(*ground_)});
  if (!server) return Fail(server.error());
  server_ = std::move(*server);
  auto survivor = RunClient("survivor", {});
  if (!survivor) {
    return Fail(
        Unmeasurable(survivor.error().message + "; the server says: " + server_->Transcript()));
  }
  survivor_ = std::move(*survivor);
  return {};
}

Result<Takeover> PeerContender::Run(Duration peace) {
  const std::string item = std::to_string(++round_);
  auto victim = RunClient("victim", {item});
  if (!victim) return Fail(victim.error());
  return KillAndAwaitClaim(**victim, *survivor_, item, peace, setting_.limit);
}

Result<std::unique_ptr<Process>> PeerContender::RunClient(
    const std::string& role, const std::vector<std::string>& more) const {
  std::vector<std::string> command = {kPython, "-u", VIGIL_BENCH_PEERS "/" + setting_.client, role,
                                      std::to_string(ground_->port())};
  command.insert(command.end(), setting_.arguments.begin(), setting_.arguments.end());
  command.insert(command.end(), more.begin(), more.end());
  auto client =
      Process::Spawn({.command = command, .environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
  if (!client) return Fail(client.error());
  auto ready = AwaitWords(**client, "ready");
  if (!ready) return Fail(ready.error());
  return client;
}

}  // namespace vigil::bench
