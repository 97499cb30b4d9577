#include "app/server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <pthread.h>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "access/access.h"
#include "access/disclosure.h"
#include "access/rate.h"
#include "app/descriptors.h"
#include "app/health_signs.h"
#include "app/health_watch.h"
#include "app/measuring.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/ticker.h"
#include "coordinator/coordinator.h"
#include "coordinator/overviews.h"
#include "grpc/health/v1/health.pb.h"
#include "http/http_server.h"
#include "http/overview.h"
#include "http/page.h"
#include "rpc/bindings.h"
#include "rpc/grpc_log.h"
#include "rpc/listener.h"
#include "rpc/services.h"
#include "rpc/tls.h"
#include "rpc/tls_watch.h"
#include "store/lane.h"

namespace vigil {
namespace {

// Each with a connection.
constexpr int kVerdictThreads = 2;
constexpr int kProbeThreads = 1;
constexpr int kLogThreads = 1;
constexpr int kReplayThreads = 2;
constexpr int kRenewalThreads = 1;
constexpr int kPruningThreads = 1;
constexpr int kRecoveryThreads = 1;
// The coordinator's own session, and the log's listener.
constexpr int kOtherConnections = 2;

// How long calls that are under way at the end may take to finish.
constexpr int64_t kLastCallsMillis = 500;

constexpr Duration kFilesInterval = std::chrono::seconds(1);

// A reading that takes so many deadlines never comes back.
constexpr int kGiveUpDeadlines = 4;

CoordinatorSettings SettingsOf(const Config& config) {
  CoordinatorSettings settings = config.coordinator;
  settings.log_give_up = kGiveUpDeadlines * config.database_deadline;
  return settings;
}

// Openings are few even when all pods come at once: the first message comes with the stream.
Shares::Most SharesOf(const Config& config) {
  const size_t pods = config.coordinator.max_pods;
  const auto percent = [&](size_t all) {
    return std::max<size_t>(1, all * config.identity_percent / 100);
  };
  return {.openings = std::max<size_t>(64, pods / 8),
          .sessions = config.identity_sessions > 0 ? config.identity_sessions : pods + pods / 2,
          .subscriptions = percent(config.coordinator.max_subscribers),
          .requests = percent(static_cast<size_t>(config.request_queue))};
}

TlsFiles TlsFilesOf(const Config& config) {
  return {.certificate = config.tls_cert,
          .key = config.tls_key,
          .client_authorities = config.tls_client_ca,
          .client_required = config.tokens.empty()};
}

std::string MakeToken() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string token;
  while (token.size() < 32) {
    for (auto [bits, left] = std::pair(random(), 8); left > 0; bits >>= 4, --left) {
      token += kDigits[bits & 15];
    }
  }
  return token;
}

uint64_t RandomSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

int ConnectionsOf(const Config& config) {
  return config.coordinator.liveness_sessions + config.request_threads + config.session_threads +
         kVerdictThreads + kProbeThreads + kLogThreads + kReplayThreads + kRenewalThreads +
         kPruningThreads + kRecoveryThreads + kOtherConnections;
}

class Server::Parts {
 public:
  Parts(EventLoop& loop, EventLoop& log_loop, Database& database, Config config)
      : config_(std::move(config)),
        loop_(loop),
        log_loop_(log_loop),
        access_(config_.insecure
                    ? Access()
                    : Access({config_.tokens, config_.grants}, clock_, SharesOf(config_))),
        registrations_(config_.registration_rate),
        listener_({.connections = std::min(config_.grpc_connections, ShareOfDescriptors(config_)),
                   .streams_per_connection = config_.streams_per_connection}),
        measuring_(clock_, database, [this] { return ready(); }),
        requests_(database,
                  {"request", config_.request_threads, Queue(), config_.database_deadline}),
        sessions_(database,
                  {"session", config_.session_threads, Queue(), config_.database_deadline}),
        verdicts_(database, {"verdict", kVerdictThreads, Queue(), config_.database_deadline}),
        probe_(database, {"probe", kProbeThreads, Queue(), config_.database_deadline}),
        log_(database, {"log", kLogThreads, Queue(), config_.database_deadline}),
        replay_(database, {"replay", kReplayThreads, config_.coordinator.max_subscribers,
                           config_.database_deadline}),
        renewals_(database, {"renewal", kRenewalThreads, Queue(), config_.database_deadline}),
        pruning_(database, {"pruning", kPruningThreads, Queue(), config_.database_deadline}),
        recovery_(database, {"recovery", kRecoveryThreads, Queue(), config_.database_deadline}),
        coordinator_(
            {.database = database,
             .lanes = {sessions_, verdicts_, probe_, log_, replay_, renewals_, pruning_, recovery_},
             .scheduler = loop_,
             .log_scheduler = log_loop_,
             .clock = clock_,
             .make_token = MakeToken,
             .seed = RandomSeed(),
             .measures = measuring_.measures()},
            SettingsOf(config_), config_.advertise.empty() ? config_.listen : config_.advertise),
        overviews_({.lane = replay_,
                    .scheduler = log_loop_,
                    .clock = clock_,
                    .subscribers = [this] { return coordinator_.subscriptions().size(); },
                    .write = [](const auto&... parts) { return ToJson(parts...); }}) {
    measuring_.Watch({lanes_.begin(), lanes_.end()});
  }

  Result<void> Start() {
    TakeOverGrpcLog();
    // Debian's Abseil looks for deadlocks at every lock of gRPC's, under one lock of all threads.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // Reflection finds the descriptor of the health service only once it is linked in and used.
    grpc::health::v1::HealthCheckRequest::descriptor();

    const RpcEnvironment environment{loop_,
                                     coordinator_.conversations(),
                                     log_loop_,
                                     coordinator_.subscriptions(),
                                     requests_,
                                     Queue(),
                                     access_,
                                     bindings_,
                                     clock_,
                                     registrations_,
                                     measuring_.measures()};
    services_.push_back(MakePodRegistryService(environment));
    services_.push_back(MakePodEventService(environment));
    services_.push_back(MakeWorkService(environment));

    const auto credentials = Credentials();
    if (!credentials) return Fail(credentials.error());
    if (!config_.insecure) {
      if (auto read = access_.Read(); !read) return read;
    }
    // First, since a server of gRPC that has begun ends only while the loops turn.
    if (auto serving = ServeHttp(); !serving) return serving;

    grpc::ServerBuilder builder;
    auto listening = listener_.AddTo(builder, config_.listen, *credentials);
    if (!listening) return listening;
    for (auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    VIGIL_CHECK(server_ != nullptr);  // it listens nowhere itself
    health_signs_.emplace(*server_->GetHealthCheckService());
    listener_.Start();
    health_loop_.Post([this] { health_.Start(); });
    thread_ = Turn(loop_, "pods-loop");
    log_thread_ = Turn(log_loop_, "log-loop");
    health_thread_ = Turn(health_loop_, "health-loop");
    log::Info("Listening.", {{"address", config_.listen}, {"port", port()}});
    if (!config_.insecure) {
      // A thread of its own, from here to the end: a file that does not answer holds up nothing
      // else, and what changes while the database is awaited or the coordinator drains counts at
      // once.
      files_.emplace("vigil-files", kFilesInterval, [this] {
        access_.ReadAgain();
        tls_.Look();
      });
    }
    if (config_.insecure) log::Warning("Serving without TLS and without rights (--insecure).");
    return {};
  }

  void Join() {
    Examined(std::nullopt);
    loop_.Post([this] {
      coordinator_.Start();
      measuring_.ShowCoordinator(loop_, coordinator_);
    });
    log_loop_.Post([this] { measuring_.ShowLog(log_loop_, coordinator_); });
  }

  void Examined(std::optional<Error> unfit) {
    health_loop_.Post([this, unfit = std::move(unfit)] { health_.Examined(unfit); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    std::promise<void> drained;
    health_loop_.Post([this, &drained] {
      health_.Drain();
      loop_.Post([this, &drained] {
        coordinator_.Drain(config_.drain_timeout, [&drained] { drained.set_value(); });
      });
    });
    drained.get_future().wait();
    End();
    log::Info("Stopped.");
  }

  void End() {
    if (!thread_.joinable()) return;
    // The loops still turn, so that the streams' last callbacks find their way.
    if (http_) http_->Stop(std::chrono::milliseconds(kLastCallsMillis));
    listener_.Stop();
    server_->Shutdown(gpr_time_from_millis(kLastCallsMillis, GPR_TIMESPAN));
    for (EventLoop* loop : {&health_loop_, &loop_, &log_loop_}) loop->Stop();
    for (std::thread* thread : {&health_thread_, &thread_, &log_thread_}) thread->join();
    for (ThreadLane* lane : lanes_) lane->Stop();
    files_.reset();
  }

  int port() const { return listener_.port(); }
  int http_port() const { return http_ ? http_->port() : 0; }
  bool ready() const { return health_.Now().Says(Sign::kReady); }

 private:
  static std::thread Turn(EventLoop& loop, const char* name) {
    std::thread thread([&loop] { loop.Run(); });
    pthread_setname_np(thread.native_handle(), name);
    return thread;
  }

  size_t Queue() const { return static_cast<size_t>(config_.request_queue); }

  Result<std::shared_ptr<grpc::ServerCredentials>> Credentials() {
    if (config_.insecure) return grpc::InsecureServerCredentials();
    return tls_.Credentials();
  }

  Result<void> ServeHttp() {
    if (config_.http_listen.empty()) return {};
    http_ = std::make_unique<HttpServer>(
        HttpEnvironment{.log_loop = log_loop_,
                        .subscriptions = coordinator_.subscriptions(),
                        .access = access_,
                        .clock = clock_,
                        .health = [this] { return health_.Now(); },
                        .resources = Resources()},
        std::min(config_.http_connections, ShareOfDescriptors(config_)));
    return http_->Start(config_.http_listen);
  }

  std::vector<Resource> Resources() {
    std::vector<Resource> resources = PageResources();
    resources.push_back(OverviewResource(overviews_, log_loop_, access_));
    resources.push_back(measuring_.resource());
    return resources;
  }

  const Config config_;
  EventLoop& loop_;
  EventLoop& log_loop_;
  SystemClock clock_;
  Access access_;
  Bindings bindings_;
  Rate registrations_;
  TlsWatch tls_{
      TlsFilesOf(config_), [this](std::optional<Error> fault) {
        health_loop_.Post([this, fault = std::move(fault)] { health_.Connectable(fault); });
      }};
  Listener listener_;
  Measuring measuring_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  ThreadLane requests_;
  ThreadLane sessions_;
  ThreadLane verdicts_;
  ThreadLane probe_;
  ThreadLane log_;
  ThreadLane replay_;
  ThreadLane renewals_;
  ThreadLane pruning_;
  ThreadLane recovery_;
  // All of them.
  const std::array<ThreadLane*, 9> lanes_{&requests_, &sessions_, &verdicts_, &probe_,   &log_,
                                          &replay_,   &renewals_, &pruning_,  &recovery_};
  Coordinator coordinator_;
  Overviews overviews_;
  EventLoop health_loop_;
  std::optional<HealthSigns> health_signs_;
  HealthWatch health_{{.clock = clock_,
                       .scheduler = health_loop_,
                       .loop = loop_,
                       .link = [this] { return coordinator_.Health(); },
                       .log_loop = log_loop_,
                       .log = [this] { return coordinator_.event_log().Health(); },
                       .trust_window = config_.coordinator.timing.trust_window,
                       .show = [this](const Health& health) { health_signs_->Show(health); }}};
  std::unique_ptr<HttpServer> http_;
  std::thread thread_;
  std::thread log_thread_;
  std::thread health_thread_;
  // Last, since it looks at what is above.
  std::optional<Ticker> files_;
};

Server::Server(EventLoop& loop, EventLoop& log_loop, Database& database, Config config)
    : parts_(std::make_unique<Parts>(loop, log_loop, database, std::move(config))) {}

Server::~Server() { parts_->End(); }

Result<void> Server::Start() { return parts_->Start(); }
bool Server::ready() const { return parts_->ready(); }
int Server::port() const { return parts_->port(); }
int Server::http_port() const { return parts_->http_port(); }
void Server::Join() { parts_->Join(); }
void Server::Examined(const std::optional<Error>& unfit) {
  parts_->Examined(unfit ? std::optional(ForCallers(*unfit)) : std::nullopt);
}
void Server::Stop() { parts_->Stop(); }
void Server::Abandon() { parts_->End(); }

}  // namespace vigil
