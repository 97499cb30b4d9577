#include "vigil_chain.h"

#include <fmt/format.h>

#include <csignal>
#include <sstream>
#include <utility>

#include "measuring.h"
#include "support/process.h"

namespace vigil::bench {
namespace {

// The server's clock and the client's are one (CLOCK_BOOTTIME), read by the client's side here.
Instant ReadClock() { return Instant(client::BootClock::now().time_since_epoch()); }

Error FromClient(const client::Error& error) { return Unmeasurable(client::Describe(error)); }

}  // namespace

VigilChain::VigilChain(std::string address, std::string victim, client::Client client,
                       Options options)
    : address_(std::move(address)),
      victim_(std::move(victim)),
      options_(std::move(options)),
      client_(std::move(client)),
      work_(client_, options_.ns) {}

VigilChain::~VigilChain() {
  if (session_) static_cast<void>(session_->Leave());
}

Result<std::unique_ptr<VigilChain>> VigilChain::Start(std::string address, Options options) {
  auto victim = FindBuilt("vigil_bench_pod");
  if (!victim) return Fail(victim.error());
  auto client = client::Client::Create({.addresses = {address}});
  if (!client) return Fail(FromClient(client.error()));
  std::unique_ptr<VigilChain> chain(new VigilChain(std::move(address), std::move(*victim),
                                                   std::move(*client), std::move(options)));
  if (auto started = chain->StartSurvivor(); !started) return Fail(started.error());
  return chain;
}

Result<void> VigilChain::StartSurvivor() {
  session_ = std::make_unique<client::PodSession>(
      client_, client::PodSession::Options{.ns = options_.ns, .name = "survivor"});
  const auto registration = session_->AwaitRegistration();
  if (!registration) return Fail(FromClient(registration.error()));
  survivor_ = registration->pod.incarnation;

  subscription_ = std::make_unique<client::Subscription>(
      client_, client::Subscription::Options{.ns = options_.ns},
      client::Subscription::Callbacks{
          .on_snapshot =
              [this](auto, const auto&) {
                std::lock_guard lock(mutex_);
                live_ = true;
                changed_.notify_all();
              },
          .on_events = [this](auto events, const auto&) { OnEvents(events); },
          .on_end =
              [this](const client::Error& why) {
                std::lock_guard lock(mutex_);
                trouble_ = client::Describe(why);
                changed_.notify_all();
              }});
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kStartLimit, [this] { return live_ || !trouble_.empty(); });
  if (!live_) return Fail(Unmeasurable("the subscription does not begin: " + trouble_));
  return {};
}

void VigilChain::OnEvents(std::span<const client::Event> events) {
  const Instant now = ReadClock();
  for (const client::Event& event : events) {
    if (event.kind != client::EventKind::kPodDied) continue;
    std::unique_lock lock(mutex_);
    if (!round_ || round_->victim != event.incarnation) continue;
    Round round = *round_;
    lock.unlock();
    round.event = now;
    TakeOver(round);
    lock.lock();
    round_ = std::move(round);
    changed_.notify_all();
  }
}

void VigilChain::TakeOver(Round& round) {
  const auto claim = work_.Claim(survivor_, round.key, round.victim, round.fence);
  round.claimed = ReadClock();
  round.over = true;
  if (!claim) {
    round.failure = client::Describe(claim.error());
  } else if (claim->outcome != client::ClaimOutcome::kClaimed) {
    round.failure = fmt::format("the claim of {} is {}", round.key, Name(claim->outcome));
  }
}

Result<VigilRound> VigilChain::Run(Duration peace) {
  const std::string key = fmt::format("item-{}", ++number_);
  const auto lease = std::chrono::duration_cast<std::chrono::milliseconds>(options_.lease);
  auto victim = Process::Spawn(
      {.command = {victim_, address_, options_.ns, fmt::format("victim-{}", number_), key,
                   options_.profile == client::Profile::kStrict ? "strict" : "fast",
                   std::to_string(lease.count())}});
  if (!victim) return Fail(victim.error());
  auto ready = AwaitWords(**victim, "ready ");
  if (!ready) return Fail(ready.error());
  uint64_t incarnation = 0;
  uint64_t fence = 0;
  std::istringstream(*ready) >> incarnation >> fence;
  {
    std::lock_guard lock(mutex_);
    round_ = Round{
        .victim = client::Incarnation(incarnation), .fence = client::Fence(fence), .key = key};
  }
  if (auto lived = LeaveInPeace(**victim, peace); !lived) return Fail(lived.error());

  const Instant killed = ReadClock();
  (*victim)->Signal(SIGKILL);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kStartLimit + 2 * options_.lease,
                    [this] { return round_->over || !trouble_.empty(); });
  if (!round_->over) return Fail(Unmeasurable("the death was not heard of: " + trouble_));
  if (!round_->failure.empty()) return Fail(Unmeasurable(round_->failure));
  return VigilRound{round_->event - killed, round_->claimed - killed};
}

}  // namespace vigil::bench
