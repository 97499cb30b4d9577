#include "slow_subscriber.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "measuring.h"
#include "process_cost.h"
#include "subscriber_crowd.h"
#include "support/vigil_cluster.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/v1/pod_event_service.pb.h"
#include "vigil/work.h"

namespace vigil::bench {
namespace {

constexpr auto kNamespace = "bench";
constexpr Duration kWeighingInterval = std::chrono::milliseconds(5);
// As many as one claim takes, with keys as long as they may be: the events are as large as they
// are.
constexpr int kItems = 100;
constexpr size_t kKeyLength = 512;
// By default a queue holds 4 MiB. This is more, with what is under way before it.
constexpr int kClaims = 80;

Error FromClient(const client::Error& error) { return Unmeasurable(client::Describe(error)); }

// Owns a coordinator, and a pod that owns the items.
class Cause {
 public:
  static Result<std::unique_ptr<Cause>> Start(pg::PrivateCluster& postgres);

  // A pod after another leaves, and the next one claims its items: one transaction with an event
  // for each.
  Result<void> Write();

  pid_t coordinator() const { return cluster_->coordinator(0).pid(); }
  std::string address() const { return cluster_->address(0); }

 private:
  Cause() = default;

  // Another pod takes the place of the one before, if any.
  Result<client::Incarnation> Succeed();

  std::unique_ptr<VigilCluster> cluster_;
  std::optional<client::Client> client_;
  std::unique_ptr<client::PodSession> owner_;
  int pods_ = 0;
};

Result<std::unique_ptr<Cause>> Cause::Start(pg::PrivateCluster& postgres) {
  std::unique_ptr<Cause> cause(new Cause());
  auto cluster = VigilCluster::Start(postgres, {.coordinators = 1});
  if (!cluster) return Fail(cluster.error());
  cause->cluster_ = std::move(*cluster);
  auto client = cause->cluster_->Connect();
  if (!client) return Fail(client.error());
  cause->client_ = std::move(*client);
  const auto owner = cause->Succeed();
  if (!owner) return Fail(owner.error());
  const client::Work work(*cause->client_, kNamespace);
  for (int item = 0; item < kItems; ++item) {
    const auto started = work.Start(*owner, fmt::format("{:k>{}}", item, kKeyLength));
    if (!started) return Fail(FromClient(started.error()));
  }
  return cause;
}

Result<client::Incarnation> Cause::Succeed() {
  auto successor = std::make_unique<client::PodSession>(
      *client_,
      client::PodSession::Options{.ns = kNamespace, .name = fmt::format("pod-{}", pods_++)});
  const auto registration = successor->AwaitRegistration();
  if (!registration) return Fail(FromClient(registration.error()));
  if (owner_) {
    if (const auto left = owner_->Leave(); !left) return Fail(FromClient(left.error()));
  }
  owner_ = std::move(successor);
  return registration->pod.incarnation;
}

Result<void> Cause::Write() {
  const client::Work work(*client_, kNamespace);
  for (int claim = 0; claim < kClaims; ++claim) {
    const auto owner = Succeed();
    if (!owner) return Fail(owner.error());
    const auto claimed = work.ClaimOrphans(*owner, kItems);
    if (!claimed) return Fail(FromClient(claimed.error()));
    if (claimed->size() != kItems) return Fail(Unmeasurable("not every item was an orphan"));
  }
  return {};
}

// The most that the coordinator weighs while events are written.
Result<double> WeighWhileWriting(Cause& cause) {
  auto written = std::async(std::launch::async, [&] { return cause.Write(); });
  int64_t most = 0;
  do {
    const auto memory = MemoryOf(cause.coordinator());
    if (!memory) return Fail(memory.error());
    most = std::max(most, *memory);
  } while (written.wait_for(kWeighingInterval) != std::future_status::ready);
  if (auto outcome = written.get(); !outcome) return Fail(outcome.error());
  return static_cast<double>(most);
}

// The same with one that does not read, and is LAGGED in the end.
Result<double> WeighWithStalled(Cause& cause) {
  auto stalled =
      SubscriberCrowd::Join(cause.address(), kNamespace, 1, SubscriberCrowd::Manner::kStalled);
  if (!stalled) return Fail(stalled.error());
  auto weight = WeighWhileWriting(cause);
  if (!weight) return weight;
  const auto last = (*stalled)->ReadToTheEnd();
  if (!last) return Fail(last.error());
  v1::SubscribeResponse message;
  if (message.ParseFromString(*last) && message.end().reason() == v1::END_REASON_LAGGED) {
    return weight;
  }
  return Fail(Unmeasurable("the subscriber has not lagged"));
}

}  // namespace

Result<double> MeasureSlowSubscriber(pg::PrivateCluster& postgres) {
  auto cause = Cause::Start(postgres);
  if (!cause) return Fail(cause.error());
  // With one that reads, since for nobody the log is not read.
  auto reader = SubscriberCrowd::Join((*cause)->address(), kNamespace, 1);
  if (!reader) return Fail(reader.error());
  const auto without = WeighWhileWriting(**cause);
  if (!without) return Fail(without.error());
  const auto with = WeighWithStalled(**cause);
  if (!with) return Fail(with.error());
  return *with - *without;
}

}  // namespace vigil::bench
