#include "own_contenders.h"

#include <utility>

#include "floor_chain.h"
#include "polling_database.h"
#include "vigil_chain.h"

namespace vigil::bench {
namespace {

// The lease of a pod of Vigil, by default.
constexpr Duration kLease = std::chrono::seconds(3);
// Nothing that a death waits for in these two: as in `death`.
constexpr Duration kShortPeriod = std::chrono::milliseconds(100);

class VigilContender : public Contender {
 public:
  explicit VigilContender(const OwnContenders& own)
      : Contender({.name = kVigilName,
                   .period = kShortPeriod,
                   .samples = own.samples,
                   .warm_up = own.warm_up}),
        coordinator_(own.coordinator) {}

  Result<void> Start() override {
    auto chain = VigilChain::Start(coordinator_, {.ns = "peers", .lease = kLease});
    if (!chain) return Fail(chain.error());
    chain_ = std::move(*chain);
    return {};
  }

  Result<Takeover> Run(Duration peace) override {
    const auto round = chain_->Run(peace);
    if (!round) return Fail(round.error());
    return Takeover{.noticed = round->event, .claimed = round->claimed};
  }

 private:
  const std::string coordinator_;
  std::unique_ptr<VigilChain> chain_;
};

class BareChainContender : public Contender {
 public:
  explicit BareChainContender(const OwnContenders& own)
      : Contender({.name = kBareChainName,
                   .period = kShortPeriod,
                   .samples = own.samples,
                   .warm_up = own.warm_up}),
        postgres_(own.postgres) {}

  Result<void> Start() override {
    auto chain =
        FloorChain::Start(postgres_, FloorEvidence::kSocket, traits().samples + traits().warm_up);
    if (!chain) return Fail(chain.error());
    chain_ = std::move(*chain);
    return {};
  }

  Result<Takeover> Run(Duration peace) override {
    const auto round = chain_->Run(peace);
    if (!round) return Fail(round.error());
    return Takeover{.noticed = round->woken, .claimed = round->claimed};
  }

 private:
  pg::PrivateCluster& postgres_;
  std::unique_ptr<FloorChain> chain_;
};

// One pod that polls, and in each round another.
class PollingContender : public Contender {
 public:
  explicit PollingContender(const OwnContenders& own)
      : Contender({.name = kPollingName, .period = kPollingInterval, .samples = own.slow_samples}),
        postgres_(own.postgres) {}

  Result<void> Start() override {
    auto database = PollingDatabase::Create(postgres_);
    if (!database) return Fail(database.error());
    database_ = std::move(*database);
    auto survivor = database_->Run("survivor", 1);
    if (!survivor) return Fail(survivor.error());
    survivor_ = std::move(*survivor);
    return {};
  }

  Result<Takeover> Run(Duration peace) override {
    const std::string name = "victim-" + std::to_string(++round_);
    auto victim = database_->Run(name, 1);
    if (!victim) return Fail(victim.error());
    return KillAndAwaitClaim(**victim, *survivor_, name + "-0", peace, 4 * kPollingInterval);
  }

 private:
  pg::PrivateCluster& postgres_;
  std::unique_ptr<PollingDatabase> database_;
  std::unique_ptr<Process> survivor_;
  int round_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Contender>> MakeOwnContenders(const OwnContenders& own) {
  std::vector<std::unique_ptr<Contender>> contenders;
  contenders.push_back(std::make_unique<VigilContender>(own));
  contenders.push_back(std::make_unique<BareChainContender>(own));
  contenders.push_back(std::make_unique<PollingContender>(own));
  return contenders;
}

}  // namespace vigil::bench
