#include "fanout_round.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "measuring.h"
#include "measuring_clocks.h"
#include "mortal_pods.h"
#include "process_cost.h"
#include "query.h"
#include "raw_chain.h"
#include "subscriber_crowd.h"
#include "support/vigil_cluster.h"
#include "vigil/v1/pod_event_service.pb.h"

namespace vigil::bench {
namespace {

constexpr auto kNamespace = "bench";
// A crowd that has just joined, or been served, is left alone for so long before it is weighed.
constexpr Duration kSettling = std::chrono::milliseconds(500);
// Shorter than the silence after which subscribers are told their position.
constexpr Duration kIdle = std::chrono::seconds(2);

constexpr pg::Statement kDeathCommits{
    "death_commits",
    "SELECT incarnation, pg_xact_commit_timestamp(xmin) FROM vigil.events"
    " WHERE kind = 'POD_DIED' ORDER BY seq"};
constexpr pg::Statement kRawCommits{
    "raw_commits", "SELECT seq, pg_xact_commit_timestamp(xmin) FROM raw_events ORDER BY seq"};

struct Commit {
  uint64_t key = 0;
  // On the wall clock.
  Duration at{};
};

// In the order in which they were asked for, one by one.
Result<std::vector<Commit>> CommitsOf(const std::string& conninfo, const pg::Statement& statement) {
  const auto rows = Query(conninfo, statement);
  if (!rows) return Fail(rows.error());
  std::vector<Commit> commits;
  for (pg::Row row : *rows) {
    const auto key = static_cast<uint64_t>(row.Bigint());
    commits.push_back({key, std::chrono::microseconds(row.Micros())});
  }
  return commits;
}

// One server, its subscribers, and what was measured of them.
struct Side {
  pid_t pid = 0;
  int port = 0;
  std::unique_ptr<SubscriberCrowd> crowd;
  double memory = 0;
  std::vector<Reception> receptions;
  Duration processor_time{};
  int64_t bytes = 0;
};

Result<void> Join(Side& side, const std::string& address, int subscribers) {
  const auto before = MemoryOf(side.pid);
  auto crowd = SubscriberCrowd::Join(address, kNamespace, subscribers);
  if (!crowd) return Fail(crowd.error());
  side.crowd = std::move(*crowd);
  if (auto lived = side.crowd->LeaveInPeace(kSettling); !lived) return lived;
  const auto after = MemoryOf(side.pid);
  if (!before || !after) return Fail(before ? after.error() : before.error());
  side.memory = static_cast<double>(*after - *before) / subscribers;
  return {};
}

// What a side has used so far, subtracted before and added after what is measured.
Result<void> Count(Side& side, int sign) {
  const auto bytes = BytesSentFrom(side.port);
  if (!bytes) return Fail(bytes.error());
  const auto processor_time = ProcessorTimeOf(side.pid);
  if (!processor_time) return Fail(processor_time.error());
  side.bytes += sign * *bytes;
  side.processor_time += sign * *processor_time;
  return {};
}

class Round {
 public:
  Round(pg::PrivateCluster& postgres, const FanoutRoundOptions& options)
      : postgres_(postgres), options_(options), clock_ahead_(WallClockAheadOfBoot()) {}

  Result<void> Prepare();
  Result<void> Measure();
  Result<FanoutRound> Conclude();

  std::string Logs() const { return cluster_ ? cluster_->Logs() : ""; }

 private:
  int events() const { return options_.warm_up + options_.samples; }
  Result<void> Die(MortalPods& pods);
  Result<void> Publish();
  Result<void> Peace();
  Result<void> MeasureElsewhere();
  Result<void> SubtractIdleTime(Duration measured);
  // Of the `samples` last receptions before `end`.
  Summary Received(const std::vector<Reception>& receptions, size_t end,
                   const std::vector<Commit>& commits) const;
  FanoutCosts CostsOf(const Side& side, const Summary& received) const;

  pg::PrivateCluster& postgres_;
  const FanoutRoundOptions options_;
  const Duration clock_ahead_;
  std::mt19937_64 random_{std::random_device{}()};
  std::uniform_int_distribution<int> peace_{2'000, 10'000};
  std::unique_ptr<VigilCluster> cluster_;
  std::unique_ptr<MortalPods> here_;
  std::unique_ptr<MortalPods> elsewhere_;
  std::unique_ptr<RawChain> chain_;
  Side vigil_;
  Side raw_;
  std::vector<uint64_t> killed_;
  // How many of Vigil's receptions are of deaths that its own coordinator committed.
  size_t local_ = 0;
};

Result<void> Round::Prepare() {
  auto cluster = VigilCluster::Start(
      postgres_, {.coordinators = 2, .settings = {"--log-level", options_.log_level}});
  if (!cluster) return Fail(cluster.error());
  cluster_ = std::move(*cluster);
  // Before the subscribers, who need not hear of it.
  for (auto [place, pods, count] :
       {std::tuple(0, &here_, events() + 1), {1, &elsewhere_, events()}}) {
    auto registered = MortalPods::Register(cluster_->address(place), kNamespace,
                                           fmt::format("pod-{}", place), count);
    if (!registered) return Fail(registered.error());
    *pods = std::move(*registered);
  }
  vigil_.pid = cluster_->coordinator(0).pid();
  vigil_.port = cluster_->port(0);
  if (auto joined = Join(vigil_, cluster_->address(0), options_.subscribers); !joined) {
    return joined;
  }
  if (auto died = Die(*here_); !died) return died;

  auto chain = RawChain::Start(postgres_, vigil_.receptions.front().message);
  if (!chain) return Fail(chain.error());
  chain_ = std::move(*chain);
  raw_.pid = chain_->pid();
  raw_.port = chain_->port();
  return Join(raw_, chain_->address(), options_.subscribers);
}

Result<void> Round::Die(MortalPods& pods) {
  killed_.push_back(pods.KillNext());
  auto reception = vigil_.crowd->AwaitEvents();
  if (!reception) return Fail(reception.error());
  v1::SubscribeResponse message;
  const bool parsed = message.ParseFromString(reception->message);
  const auto& events = message.events().events();
  if (!parsed || events.size() != 1 || events[0].incarnation() != killed_.back()) {
    return Fail(Unmeasurable("another event came than the death: " + message.ShortDebugString()));
  }
  vigil_.receptions.push_back(std::move(*reception));
  return {};
}

Result<void> Round::Publish() {
  chain_->Publish();
  auto reception = raw_.crowd->AwaitEvents();
  if (!reception) return Fail(reception.error());
  raw_.receptions.push_back(std::move(*reception));
  return {};
}

// Events spread over what repeats itself by the clock.
Result<void> Round::Peace() {
  return vigil_.crowd->LeaveInPeace(std::chrono::microseconds(peace_(random_)));
}

Result<void> Round::Measure() {
  Instant begun;
  for (int event = -options_.warm_up; event < options_.samples; ++event) {
    if (event == 0) {
      begun = Now();
      for (Side* side : {&vigil_, &raw_}) {
        if (auto counted = Count(*side, -1); !counted) return counted;
      }
    }
    for (const bool raw : {event % 2 == 0, event % 2 != 0}) {
      if (auto lived = Peace(); !lived) return lived;
      if (auto served = raw ? Publish() : Die(*here_); !served) return served;
    }
  }
  for (Side* side : {&vigil_, &raw_}) {
    if (auto counted = Count(*side, 1); !counted) return counted;
  }
  local_ = vigil_.receptions.size();
  if (auto subtracted = SubtractIdleTime(Now() - begun); !subtracted) return subtracted;
  return MeasureElsewhere();
}

Result<void> Round::SubtractIdleTime(Duration measured) {
  const auto share =
      static_cast<double>(measured.count()) / static_cast<double>(Duration(kIdle).count());
  Duration before[2]{};
  for (const bool after : {false, true}) {
    if (after) {
      if (auto lived = vigil_.crowd->LeaveInPeace(kIdle); !lived) return lived;
    }
    for (Side* side : {&vigil_, &raw_}) {
      const auto used = ProcessorTimeOf(side->pid);
      if (!used) return Fail(used.error());
      Duration& earlier = before[side == &raw_];
      if (after) {
        side->processor_time -= std::chrono::duration_cast<Duration>((*used - earlier) * share);
      }
      earlier = *used;
    }
  }
  return {};
}

Result<void> Round::MeasureElsewhere() {
  for (int event = 0; event < events(); ++event) {
    if (auto lived = Peace(); !lived) return lived;
    if (auto died = Die(*elsewhere_); !died) return died;
  }
  return {};
}

Summary Round::Received(const std::vector<Reception>& receptions, size_t end,
                        const std::vector<Commit>& commits) const {
  std::vector<Duration> delays;
  for (size_t i = end - static_cast<size_t>(options_.samples); i < end; ++i) {
    for (const Instant at : receptions[i].at) {
      delays.push_back(at.time_since_epoch() + clock_ahead_ - commits[i].at);
    }
  }
  return Summarize(std::move(delays));
}

FanoutCosts Round::CostsOf(const Side& side, const Summary& received) const {
  const int deliveries = options_.samples * options_.subscribers;
  return {.received = received,
          .bytes = static_cast<double>(side.bytes) / deliveries,
          .processor_time = side.processor_time / deliveries,
          .memory = side.memory};
}

Result<FanoutRound> Round::Conclude() {
  if (auto unmoved = RequireWallClock(clock_ahead_); !unmoved) return Fail(unmoved.error());
  const auto deaths = CommitsOf(cluster_->Conninfo(), kDeathCommits);
  if (!deaths) return Fail(deaths.error());
  const auto rows = CommitsOf(chain_->Conninfo(), kRawCommits);
  if (!rows) return Fail(rows.error());
  const auto acknowledged = chain_->Acknowledged();
  if (!acknowledged) return Fail(acknowledged.error());
  bool complete = rows->size() == raw_.receptions.size() && rows->size() == acknowledged->size() &&
                  deaths->size() == killed_.size();
  for (size_t i = 0; complete && i < killed_.size(); ++i) {
    complete = (*deaths)[i].key == killed_[i];
  }
  if (!complete) return Fail(Unmeasurable("the log holds other events than were received"));

  std::vector<Reception> known;
  for (const Instant at : *acknowledged) known.push_back({.message = "", .at = {at}});
  const Summary raw = Received(raw_.receptions, raw_.receptions.size(), *rows);
  return FanoutRound{.vigil = CostsOf(vigil_, Received(vigil_.receptions, local_, *deaths)),
                     .raw = CostsOf(raw_, raw),
                     .elsewhere = Received(vigil_.receptions, vigil_.receptions.size(), *deaths),
                     .acknowledged = Received(known, known.size(), *rows)};
}

}  // namespace

Result<FanoutRound> RunFanoutRound(pg::PrivateCluster& postgres,
                                   const FanoutRoundOptions& options) {
  Round round(postgres, options);
  auto measured = round.Prepare();
  if (measured) measured = round.Measure();
  if (options.log_level != FanoutRoundOptions().log_level) {
    fmt::print(stderr, "{}", round.Logs());
  }
  if (!measured) return Fail(measured.error());
  return round.Conclude();
}

}  // namespace vigil::bench
