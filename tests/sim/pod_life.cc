#include "sim/pod_life.h"

#include <utility>
#include <vector>

#include "lease_failures.h"

namespace vigil::sim {
namespace {

constexpr Duration kFarewell = std::chrono::seconds(5);

// Both sides call the reasons by the same names.
client::Reason ReasonOf(const Error& told) {
  for (int number = 1; number <= static_cast<int>(client::Reason::kStreamIdle); ++number) {
    const auto reason = static_cast<client::Reason>(number);
    if (told.Is(client::Name(reason))) return reason;
  }
  return client::Reason::kInternal;
}

client::Error ToClient(const std::optional<Error>& told) {
  client::Error error;
  if (!told) {
    error.code = client::Code::kUnavailable;
    error.message = "the connection broke";
    return error;
  }
  error.code = static_cast<client::Code>(told->code);
  error.reason = ReasonOf(*told);
  error.message = told->message;
  error.metadata = {told->metadata.begin(), told->metadata.end()};
  return error;
}

client::LeaseTerms ToClient(const LeaseTerms& terms) {
  return {terms.lease, terms.heartbeat_interval, terms.stop_margin};
}

}  // namespace

class PodLife::StreamEnd final : public PodEnd {
 public:
  StreamEnd(PodLife* owner, client::StreamId stream) : life(owner), id(stream) {}
  void Heard(const HostMessage& message) override {
    if (life) life->Heard(id, message);
  }
  void Ended(const std::optional<Error>& told) override {
    if (life) life->Ended(id, told);
  }

  PodLife* life;
  const client::StreamId id;
};

PodLife::PodLife(PodSite site, Options options, Chance chance, std::function<void()> on_change)
    : site_(site),
      options_(std::move(options)),
      chance_(chance),
      on_change_(std::move(on_change)),
      hosted_at_(options_.first_address) {
  Chance random = chance_.For(0);
  const bool one = site_.around.one_address();
  keeper_.emplace(
      client::LeaseKeeper::Options{
          .addresses = static_cast<size_t>(one ? 1 : site_.around.addresses()),
          .first_address = static_cast<size_t>(one ? 0 : options_.first_address),
          .lease = options_.lease.value_or(Duration::zero()),
          .wait_for_name = std::chrono::seconds(60),
          .watchdog = options_.watchdog,
          .random = [random]() mutable { return random.Share(); }},
      Now());
  site_.machine.Post([this, end = std::weak_ptr<int>(alive_)] {
    if (!end.expired()) Act();
  });
}

PodLife::~PodLife() {
  for (auto& [id, stream] : streams_) {
    stream.end->life = nullptr;
    stream.connection->Cancel();
  }
}

client::Standing PodLife::Ask() { return standing_.Read(Now()); }

void PodLife::Leave() {
  leaving_ = true;
  keeper_->Leave(Now(), kFarewell);
  Act();
}

bool PodLife::Believes() const {
  const auto state = keeper_->state();
  return state == client::SelfState::kAlive || state == client::SelfState::kSuspended;
}

bool PodLife::LeaseValidAt(Instant local) const {
  if (!Believes()) return false;
  const auto until = keeper_->lease_until();
  return until && TimeOf(local) < *until;
}

bool PodLife::Superseded() const {
  return keeper_->why() && client::HasCause(*keeper_->why(), "SUPERSEDED");
}

// --- As the driver of the client's PodSession does

void PodLife::Act() {
  do {
    for (auto actions = keeper_->TakeActions(); !actions.empty();
         actions = keeper_->TakeActions()) {
      for (const client::Action& each : actions) {
        std::visit([this](const auto& wanted) { Do(wanted); }, each);
      }
    }
  } while (!standing_.Publish(CurrentStanding()) && keeper_->Lose());
  SetTimer();
  on_change_();
}

void PodLife::SetTimer() {
  timer_.reset();
  const auto wake = keeper_->next_wake();
  if (!wake) return;
  timer_ = site_.machine.After(*wake - Now(), [this] {
    keeper_->OnFed(TimeOf(site_.machine.LocalAt(fed_at_)));
    keeper_->OnTimer(Now());
    Act();
  });
}

client::Standing PodLife::CurrentStanding() const {
  client::Standing standing;
  standing.state = keeper_->state();
  standing.alive_until = keeper_->alive_until().value_or(client::Time{});
  standing.lease_until = keeper_->lease_until().value_or(client::Time{});
  standing.why = keeper_->why();
  return standing;
}

void PodLife::Do(const client::action::Open& open) {
  if (open.new_registration) registration_id_ = "registration-" + std::to_string(chance_.Draw());
  const int address = Reach(open.address, open.anew);
  SimulatedCoordinator* host = site_.around.At(address);
  auto end = std::make_shared<StreamEnd>(this, open.stream);
  auto connection = std::make_shared<Connection>(
      site_.time, site_.around.PathOf(site_.place, address),
      Connection::Ends{site_.machine, end, host ? &host->machine() : nullptr, host},
      chance_.For(open.stream.value()));
  streams_[open.stream] = {end, connection, address};
  site_.around.Opened(site_.place, address, connection);
  if (open.resume) {
    connection->Say(ResumeMessage{kNamespace, incarnation_, token_});
  } else {
    connection->Say(RegisterMessage{.ns = kNamespace,
                                    .name = options_.name,
                                    .registration_id = registration_id_,
                                    .profile = options_.profile,
                                    .lease = options_.lease,
                                    .labels = options_.labels,
                                    .wait_for_name = std::chrono::seconds(60),
                                    .supersede_key = options_.supersede_key});
  }
}

void PodLife::Do(const client::action::Heartbeat& heartbeat) {
  if (Connection* stream = Find(heartbeat.stream)) stream->Say(HeartbeatMessage{heartbeat.number});
}

// A call of its own, which may be lost; each way takes its time.
void PodLife::Do(const client::action::Inquire& inquire) {
  const int address = inquire.anew ? Balanced() : static_cast<int>(inquire.address);
  Path& path = site_.around.PathOf(site_.place, address);
  const client::Time patient_until = Now() + inquire.patience;
  const auto answered = [this, inquire, address, patient_until, end = std::weak_ptr<int>(alive_)] {
    if (end.expired() || Now() > patient_until) return;
    if (inquire.anew) Connect(address);
    keeper_->OnWelcome(inquire.address, Now());
    Act();
  };
  path.Carry(kToCoordinator, [this, &path, address, answered, end = std::weak_ptr<int>(alive_)] {
    if (end.expired()) return;
    SimulatedCoordinator* host = site_.around.At(address);
    if (!host) return;
    host->machine().Arrive(site_.time.Now(), [this, &path, host, answered, end] {
      const bool welcome =
          host->coordinator() && host->coordinator()->conversations().WelcomesPods();
      if (!welcome || end.expired()) return;
      path.Carry(kToPod, [this, answered, end] {
        if (!end.expired()) site_.machine.Arrive(site_.time.Now(), answered);
      });
    });
  });
}

void PodLife::Do(const client::action::Leave& leave) {
  if (Connection* stream = Find(leave.stream)) stream->Say(LeaveMessage{});
}

void PodLife::Do(const client::action::Detach& detach) {
  if (detach.unresponsive) Distrust(detach.stream);
  if (Connection* stream = Find(detach.stream)) stream->SayLast(DetachMessage{}, detach.linger);
}

void PodLife::Do(const client::action::Drop& drop) {
  if (drop.unresponsive) Distrust(drop.stream);
  if (Connection* stream = Find(drop.stream)) stream->Cancel();
}

void PodLife::Do(const client::action::Announce&) { standing_.Publish(CurrentStanding()); }

int PodLife::Reach(size_t address, bool anew) {
  if (!site_.around.one_address()) return static_cast<int>(address);
  const bool there = connected_to_ >= 0 && site_.around.At(connected_to_) == connected_host_;
  if (anew || !there) Connect(Balanced());
  return connected_to_;
}

void PodLife::Connect(int address) {
  connected_to_ = address;
  connected_host_ = address < 0 ? nullptr : site_.around.At(address);
}

void PodLife::Distrust(client::StreamId id) {
  const auto found = streams_.find(id);
  if (found != streams_.end() && found->second.address == connected_to_) Connect(-1);
}

// To any whose process runs, whether it wants pods or not; the balancer hears of it when it ends.
int PodLife::Balanced() {
  std::vector<int> running;
  for (int address = 0; address < site_.around.addresses(); ++address) {
    if (site_.around.At(address)) running.push_back(address);
  }
  if (running.empty()) return chance_.Below(site_.around.addresses());
  return running[static_cast<size_t>(chance_.Below(static_cast<int>(running.size())))];
}

void PodLife::Heard(client::StreamId id, const HostMessage& message) {
  const client::Time now = Now();
  const bool hosted = std::holds_alternative<RegisteredAnswer>(message) ||
                      std::holds_alternative<ResumedAnswer>(message);
  if (const auto stream = streams_.find(id); hosted && stream != streams_.end()) {
    hosted_at_ = stream->second.address;
  }
  if (const auto* waiting = std::get_if<WaitingAnswer>(&message)) {
    keeper_->OnWaiting(id, now, client::Incarnation(waiting->incumbent.value));
  } else if (const auto* registered = std::get_if<RegisteredAnswer>(&message)) {
    token_ = registered->session_token;
    incarnation_ = registered->pod.incarnation;
    Feed();
    keeper_->OnHosted(id, now, ToClient(registered->terms));
  } else if (const auto* resumed = std::get_if<ResumedAnswer>(&message)) {
    keeper_->OnHosted(id, now, ToClient(resumed->terms));
  } else if (const auto* answer = std::get_if<HeartbeatAnswer>(&message)) {
    keeper_->OnHeartbeatAnswer(id, now, answer->number,
                               {answer->lease_granted, answer->link_degraded});
  } else if (std::holds_alternative<LeftAnswer>(message)) {
    keeper_->OnLeft(id, now);
  } else if (std::holds_alternative<DrainingNotice>(message)) {
    keeper_->OnDraining(id, now);
  }
  Act();
}

void PodLife::Ended(client::StreamId id, const std::optional<Error>& told) {
  if (!told) Distrust(id);
  streams_.erase(id);
  keeper_->OnStreamEnded(id, Now(), ToClient(told));
  Act();
}

Connection* PodLife::Find(client::StreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.connection.get();
}

}  // namespace vigil::sim
