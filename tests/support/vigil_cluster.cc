#include "support/vigil_cluster.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <utility>

#include "support/health.h"

namespace vigil {
namespace {

constexpr auto kMigrationLimit = std::chrono::seconds(60);

Failure Unstartable(std::string message, std::string hint) {
  return Fail(Error{
      .code = Code::kFailedPrecondition, .message = std::move(message), .hint = std::move(hint)});
}

Failure FromClient(const client::Error& error) {
  return Unstartable(client::Describe(error), error.hint);
}

// The value of `name=` in a line of the log.
std::string FieldOf(const std::string& line, const std::string& name) {
  const size_t begin = line.find(" " + name + "=");
  if (begin == std::string::npos) return "";
  const size_t value = begin + name.size() + 2;
  return line.substr(value, line.find(' ', value) - value);
}

Process::Match Says(std::string sentence) {
  return [sentence = std::move(sentence)](const Process::Line& line) {
    return line.text.find(sentence) != std::string::npos;
  };
}

}  // namespace

VigilCluster::VigilCluster(pg::PrivateCluster& postgres, Options options, std::string vigild,
                           std::string vigil)
    : postgres_(postgres),
      options_(std::move(options)),
      vigild_(std::move(vigild)),
      vigil_(std::move(vigil)) {}

Result<std::unique_ptr<VigilCluster>> VigilCluster::Start(pg::PrivateCluster& postgres,
                                                          Options options) {
  auto vigild = FindBuilt("vigild");
  if (!vigild) return Fail(vigild.error());
  auto vigil = FindBuilt("vigil");
  if (!vigil) return Fail(vigil.error());
  std::unique_ptr<VigilCluster> cluster(
      new VigilCluster(postgres, std::move(options), *vigild, *vigil));
  if (auto created = cluster->CreateDatabase(); !created) return Fail(created.error());
  if (auto migrated = cluster->Migrate(); !migrated) return Fail(migrated.error());
  cluster->places_.resize(static_cast<size_t>(cluster->options_.coordinators));
  for (Place& place : cluster->places_) {
    if (auto spawned = cluster->Spawn(place); !spawned) return Fail(spawned.error());
  }
  for (Place& place : cluster->places_) {
    if (auto serves = cluster->AwaitService(place); !serves) return Fail(serves.error());
  }
  return cluster;
}

VigilCluster::~VigilCluster() {
  places_.clear();
  if (!database_.empty()) static_cast<void>(postgres_.DropDatabase(database_));
}

Result<void> VigilCluster::CreateDatabase() {
  static std::atomic<int> databases = 0;
  const std::string name = "vigil_" + std::to_string(++databases);
  auto created = postgres_.CreateDatabase(name);
  if (created) database_ = name;
  return created;
}

Result<void> VigilCluster::Migrate() const {
  auto migration =
      Process::Spawn({.command = {vigild_, "migrate", "up"},
                      .environment = {{"VIGIL_DATABASE", postgres_.Conninfo(database_)}}});
  if (!migration) return Fail(migration.error());
  if ((*migration)->AwaitEnd(kMigrationLimit) == 0) return {};
  return Unstartable("`vigild migrate up` failed: " + (*migration)->Transcript(),
                     "See what it says.");
}

Result<void> VigilCluster::Spawn(Place& place) {
  const int number = static_cast<int>(&place - places_.data());
  const std::string conninfo =
      options_.conninfo ? options_.conninfo(database_, number) : Conninfo();
  if (place.address.empty()) {
    if (options_.machine) place.machine = options_.machine(number);
    place.address = place.machine.address + ":0";
    place.http_address = place.address;
  }
  std::vector<std::string> command = {vigild_,       "serve",         "--listen",
                                      place.address, "--http-listen", place.http_address};
  const std::vector<std::string> access = options_.security
                                              ? options_.security->settings
                                              : std::vector<std::string>{"--insecure", "true"};
  command.insert(command.end(), access.begin(), access.end());
  command.insert(command.end(), options_.settings.begin(), options_.settings.end());
  auto process = Process::Spawn(On(place.machine, {.command = std::move(command),
                                                   .environment = {{"VIGIL_DATABASE", conninfo}}}));
  if (!process) return Fail(process.error());
  place.process = std::move(*process);
  return {};
}

Result<void> VigilCluster::AwaitService(Place& place) const {
  const auto listening = place.process->AwaitLine(Says("Listening."), options_.start_limit);
  const auto http = place.process->AwaitLine(Says("Serving HTTP."), options_.start_limit);
  const auto joined = place.process->AwaitLine(Says("Joined the cluster."), options_.start_limit);
  if (!listening || !http || !joined) {
    return Unstartable("a coordinator does not start: " + place.process->Transcript(),
                       "See what it says.");
  }
  place.address = place.machine.address + ":" + FieldOf(listening->text, "port");
  place.http_address = place.machine.address + ":" + FieldOf(http->text, "port");
  place.number = client::CoordinatorNumber(
      std::strtoull(FieldOf(joined->text, "coordinator").c_str(), nullptr, 10));
  if (!AwaitServing(place.address, options_.start_limit, Caller())) {
    return Unstartable("a coordinator does not serve: " + place.process->Transcript(),
                       "See what it says.");
  }
  return {};
}

std::optional<client::Tls> VigilCluster::Caller() const {
  return options_.security ? std::optional(options_.security->caller) : std::nullopt;
}

Result<void> VigilCluster::StartAgain(int place) {
  Place& again = places_.at(static_cast<size_t>(place));
  if (auto spawned = Spawn(again); !spawned) return spawned;
  return AwaitService(again);
}

int VigilCluster::port(int place) const {
  const std::string at = address(place);
  return std::stoi(at.substr(at.rfind(':') + 1));
}

std::vector<std::string> VigilCluster::Addresses(int first) const {
  std::vector<std::string> addresses;
  for (const Place& place : places_) addresses.push_back(place.address);
  std::rotate(addresses.begin(), addresses.begin() + first, addresses.end());
  return addresses;
}

int VigilCluster::PlaceOf(client::CoordinatorNumber number) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].number == number) return static_cast<int>(i);
  }
  return -1;
}

Result<client::Client> VigilCluster::Connect(int first) const {
  auto client =
      client::Client::Create({.addresses = Addresses(first), .spread = false, .tls = Caller()});
  if (!client) return FromClient(client.error());
  return *client;
}

Result<client::Client> VigilCluster::ConnectOnly(int place) const {
  auto client = client::Client::Create({.addresses = {address(place)}, .tls = Caller()});
  if (!client) return FromClient(client.error());
  return *client;
}

Result<std::unique_ptr<ReportingProcess>> VigilCluster::Run(RunOptions options) const {
  std::string addresses;
  for (const std::string& address : Addresses(std::max(options.first, 0))) {
    addresses += (addresses.empty() ? "" : ",") + address;
  }
  std::vector<std::string> command = {vigil_,     "--address", addresses, "--namespace",
                                      options.ns, "-o",        "json"};
  if (options.first >= 0) command.emplace_back("--in-order");
  for (const std::string& word :
       {std::string("run"), std::string("--pod"), options.pod, std::string("--work"), options.work,
        std::string("--profile"), options.profile}) {
    command.push_back(word);
  }
  if (!options.lease.empty()) command.insert(command.end(), {"--lease", options.lease});
  if (!options.payload.empty()) command.insert(command.end(), {"--payload", options.payload});
  command.emplace_back("--");
  command.insert(command.end(), options.command.begin(), options.command.end());
  return ReportingProcess::Spawn(On(options.machine, {.command = std::move(command),
                                                      .environment = std::move(options.environment),
                                                      .on_line = std::move(options.on_line)}));
}

std::string VigilCluster::Logs() const {
  std::string logs;
  for (const Place& place : places_) {
    if (place.process) logs += "--- " + place.address + "\n" + place.process->Transcript();
  }
  return logs;
}

}  // namespace vigil
