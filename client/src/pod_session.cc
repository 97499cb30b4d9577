#include "vigil/pod_session.h"

#include <atomic>
#include <utility>

#include "clock_watch.h"
#include "convert.h"
#include "core.h"
#include "inquiry.h"
#include "lease_failures.h"
#include "lease_keeper.h"
#include "own_error.h"
#include "random_id.h"
#include "session_stream.h"
#include "standing_cell.h"
#include "status.h"

namespace vigil::client {
namespace {

LeaseTerms Terms(const v1::LeaseTerms& terms) {
  return {FromProto(terms.lease()), FromProto(terms.heartbeat_interval()),
          FromProto(terms.stop_margin())};
}

Error EndOf(const grpc::Status& status) {
  if (!status.ok()) return FromStatus(status);
  return MakeError(Code::kUnavailable, "the coordinator ended the stream without a reason",
                   "Look at the log of the coordinator.");
}

}  // namespace

// Carries out what the keeper decides. Everything but the public methods runs on the core's loop,
// where the keeper is; the application's callbacks run on a loop of their own, so that they may
// block.
class PodSession::Driver : public std::enable_shared_from_this<Driver> {
 public:
  Driver(std::shared_ptr<Core> core, Options options, Callbacks callbacks)
      : core_(std::move(core)), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

  void Start() {
    OnLoop([](Driver& driver, Time now) {
      driver.keeper_.emplace(
          LeaseKeeper::Options{.addresses = driver.core_->channels.size(),
                               .first_address = driver.core_->channels.preferred(),
                               .lease = driver.options_.lease,
                               .register_timeout = driver.options_.register_timeout,
                               .wait_for_name = driver.options_.wait_for_name,
                               .watchdog = driver.options_.watchdog,
                               .random = driver.core_->random},
          now);
    });
  }

  Result<Registration> AwaitRegistration() {
    settled_.Wait();
    MutexLock lock(mutex_);
    return *registration_;
  }

  std::optional<Time> alive_until() const { return standing_.AliveUntil(BootClock::now()); }
  Standing standing() const { return standing_.Read(BootClock::now()); }

  void Feed() { fed_at_ = BootClock::now().time_since_epoch().count(); }

  Result<void> Leave(Duration timeout) {
    OnLoop([timeout](Driver& driver, Time now) { driver.keeper_->Leave(now, timeout); });
    left_.Wait();
    MutexLock lock(mutex_);
    if (leave_error_) return tl::unexpected(*leave_error_);
    return {};
  }

  // Ends all streams and waits until gRPC has let go of them.
  void Close() {
    core_->loop.Post([self = shared_from_this()] {
      self->closing_ = true;
      self->core_->loop.Cancel(self->timer_);
      for (const auto& [id, stream] : self->streams_) stream->Cancel();
      for (const auto& [address, inquiry] : self->inquiries_) inquiry->Cancel();
      self->TellWhenClosed();
    });
    closed_.Wait();
    core_->loop.Flush();  // so that nothing there owns the core any more
    callback_loop_.reset();
  }

 private:
  // Lets something happen to the keeper, and does what it then wants.
  template <class Happening>
  void OnLoop(Happening happening) {
    core_->loop.Post([self = shared_from_this(), happening] {
      if (self->closing_) return;
      happening(*self, BootClock::now());
      self->Act();
    });
  }

  void Act() {
    TellOfClocks();
    do {
      for (auto actions = keeper_->TakeActions(); !actions.empty();
           actions = keeper_->TakeActions()) {
        for (const Action& each : actions) {
          std::visit([this](const auto& wanted) { Do(wanted); }, each);
        }
      }
      // Every answered heartbeat moves the deadline, whether it is announced or not. A reader that
      // found the lease ended just before the answer was seen has the last word.
    } while (!standing_.Publish(CurrentStanding()) && keeper_->Lose());
    SetTimer();
  }

  void TellOfClocks() {
    const ClockWatch::Change change = clocks_.Look(ReadClocks());
    if (const auto length = keeper_->TakePause(); length && callbacks_.on_pause) {
      callback_loop_->Post([self = shared_from_this(), pause = Pause{*length, change.suspended}] {
        self->callbacks_.on_pause(pause);
      });
    }
    if (change.wall_jump != Duration::zero() && callbacks_.on_wall_clock_jump) {
      callback_loop_->Post([self = shared_from_this(), by = change.wall_jump] {
        self->callbacks_.on_wall_clock_jump(by);
      });
    }
  }

  void SetTimer() {
    core_->loop.Cancel(timer_);
    const auto wake = keeper_->next_wake();
    if (!wake) return;
    timer_ = core_->loop.PostAt(*wake, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->closing_) {
        self->keeper_->OnFed(Time(Duration(self->fed_at_.load())));
        self->keeper_->OnTimer(BootClock::now());
        self->Act();
      }
    });
  }

  void Do(const action::Open& open) {
    Channels& channels = core_->channels;
    if (open.anew) channels.Adopt(open.address, channels.Another(open.address, refused_.lock()));
    const auto link = channels.At(open.address);
    // Whoever knows it can take the pod's place.
    if (open.new_registration) registration_id_ = RandomId();
    SessionStream::Handlers handlers{
        .on_message =
            [self = shared_from_this(), id = open.stream](const v1::SessionResponse& message) {
              if (!self->closing_) self->Handle(id, message);
            },
        .on_end = [self = shared_from_this(), id = open.stream](
                      const grpc::Status& status) { self->HandleEnd(id, EndOf(status)); }};
    streams_.emplace(
        open.stream,
        SessionStream::Open(core_, link, open.resume ? ResumeMessage() : RegisterMessage(),
                            std::move(handlers)));
  }

  void Do(const action::Heartbeat& heartbeat) {
    v1::SessionRequest message;
    message.mutable_heartbeat()->set_number(heartbeat.number);
    if (SessionStream* stream = Find(heartbeat.stream)) stream->Send(std::move(message));
  }

  void Do(const action::Inquire& inquire) {
    const std::size_t address = inquire.address;
    if (inquiries_.count(address) != 0) return;
    Channels& channels = core_->channels;
    const auto link = inquire.anew ? channels.Another(address, host_.lock()) : channels.At(address);
    const auto then = [self = shared_from_this(), address, link](bool welcome) {
      self->inquiries_.erase(address);
      if (self->closing_) return self->TellWhenClosed();
      if (welcome) {
        self->core_->channels.Adopt(address, link);
        self->keeper_->OnWelcome(address, BootClock::now());
      } else {
        self->core_->channels.Decline(link);
      }
      self->Act();
    };
    inquiries_.emplace(
        address, Inquiry::Send({core_, &core_->loop}, link, kPodRegistry, inquire.patience, then));
  }

  void Do(const action::Leave& leave) {
    v1::SessionRequest message;
    message.mutable_leave();
    if (SessionStream* stream = Find(leave.stream)) stream->Send(std::move(message));
  }

  void Do(const action::Detach& detach) {
    v1::SessionRequest message;
    message.mutable_detach();
    if (SessionStream* stream = GiveUp(detach)) stream->SendLast(std::move(message), detach.linger);
  }

  void Do(const action::Drop& drop) {
    if (SessionStream* stream = GiveUp(drop)) stream->Cancel();
  }

  void Do(const action::Announce&) {
    const Standing standing = CurrentStanding();
    if (!standing_.Publish(standing)) return;
    Settle(standing);
    if (!callbacks_.on_change) return;
    callback_loop_->Post(
        [self = shared_from_this(), standing] { self->callbacks_.on_change(standing); });
  }

  void Do(const action::AnnounceWaiting& waiting) {
    if (!callbacks_.on_waiting) return;
    callback_loop_->Post(
        [self = shared_from_this(), waiting] { self->callbacks_.on_waiting(waiting.incumbent); });
  }

  void Do(const action::LeaveDone& done) {
    {
      MutexLock lock(mutex_);
      leave_error_ = done.error;
    }
    left_.Set();
  }

  void Handle(StreamId id, const v1::SessionResponse& message) {
    const Time now = BootClock::now();
    switch (message.message_case()) {
      case v1::SessionResponse::kWaiting:
        keeper_->OnWaiting(id, now, Incarnation(message.waiting().incarnation()));
        break;
      case v1::SessionResponse::kRegistered:
        token_ = message.registered().session_token();
        pod_ = FromProto(message.registered().pod());
        predecessors_work_ = FromProtos<WorkItem>(message.registered().predecessors_work());
        HandleHosted(id, now, Terms(message.registered().terms()));
        break;
      case v1::SessionResponse::kResumed:
        pod_ = FromProto(message.resumed().pod());
        HandleHosted(id, now, Terms(message.resumed().terms()));
        break;
      case v1::SessionResponse::kHeartbeat:
        keeper_->OnHeartbeatAnswer(
            id, now, message.heartbeat().number(),
            {message.heartbeat().lease_granted(), message.heartbeat().link_degraded()});
        break;
      case v1::SessionResponse::kLeft:
        keeper_->OnLeft(id, now);
        break;
      case v1::SessionResponse::kDraining:
        keeper_->OnDraining(id, now);
        break;
      case v1::SessionResponse::MESSAGE_NOT_SET:
        break;  // from a newer coordinator
    }
    Act();
  }

  void HandleHosted(StreamId id, Time now, const LeaseTerms& terms) {
    if (const SessionStream* stream = Find(id)) host_ = stream->link();
    keeper_->OnHosted(id, now, terms);
    core_->channels.Prefer(keeper_->address());
  }

  void HandleEnd(StreamId id, const Error& why) {
    if (const SessionStream* stream = Find(id); stream && IsOfOneCoordinator(why)) {
      refused_ = stream->link();
      core_->channels.Decline(stream->link());
    }
    streams_.erase(id);
    if (closing_) return TellWhenClosed();
    keeper_->OnStreamEnded(id, BootClock::now(), why);
    Act();
  }

  void TellWhenClosed() {
    if (streams_.empty() && inquiries_.empty()) closed_.Set();
  }

  Standing CurrentStanding() const {
    Standing standing;
    standing.state = keeper_->state();
    standing.incarnation = pod_.incarnation;
    standing.coordinator = pod_.coordinator;
    standing.session = pod_.session;
    if (pod_.incarnation) standing.address = core_->channels.addresses()[keeper_->address()];
    standing.alive_until = keeper_->alive_until().value_or(Time{});
    standing.lease_until = keeper_->lease_until().value_or(Time{});
    standing.why = keeper_->why();
    return standing;
  }

  // The first lease, or the first final state, answers AwaitRegistration.
  void Settle(const Standing& standing) {
    {
      MutexLock lock(mutex_);
      if (registration_) return;
      if (standing.incarnation && standing.state != SelfState::kRefused) {
        registration_ = Registration{pod_, std::move(predecessors_work_)};
      } else {
        registration_ = tl::unexpected(standing.why.value_or(MakeError(
            Code::kCancelled, "the pod left before it was registered", "Register again.")));
      }
    }
    settled_.Set();
  }

  v1::SessionRequest RegisterMessage() const {
    v1::SessionRequest message;
    v1::Register& request = *message.mutable_register_();
    request.set_namespace_(options_.ns);
    request.set_name(options_.name);
    request.set_registration_id(registration_id_);
    request.set_profile(ToProto(options_.profile));
    if (options_.lease != Duration::zero()) *request.mutable_lease() = ToProto(options_.lease);
    if (options_.wait_for_name != Duration::zero()) {
      *request.mutable_wait_for_name() = ToProto(options_.wait_for_name);
    }
    request.set_supersede_key(options_.supersede_key);
    for (const auto& [key, value] : options_.labels) (*request.mutable_labels())[key] = value;
    return message;
  }

  v1::SessionRequest ResumeMessage() const {
    v1::SessionRequest message;
    v1::Resume& request = *message.mutable_resume();
    request.set_namespace_(options_.ns);
    request.set_incarnation(pod_.incarnation.value());
    request.set_session_token(token_);
    return message;
  }

  // The stream of a `Detach` or a `Drop`, for its last word.
  template <class Ending>
  SessionStream* GiveUp(const Ending& ending) {
    SessionStream* stream = Find(ending.stream);
    if (stream != nullptr && ending.unresponsive) core_->channels.Distrust(stream->link());
    return stream;
  }

  SessionStream* Find(StreamId id) const {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.get();
  }

  const std::shared_ptr<Core> core_;
  const Options options_;
  const Callbacks callbacks_;
  StandingCell standing_;
  std::atomic<Duration::rep> fed_at_ = 0;

  // On the core's loop only.
  std::optional<LeaseKeeper> keeper_;
  ClockWatch clocks_{ReadClocks()};
  std::map<StreamId, std::shared_ptr<SessionStream>> streams_;
  // Where the pod was taken in last, and where it was refused last, on whatever connection.
  std::weak_ptr<Link> host_;
  std::weak_ptr<Link> refused_;
  // At most one to each address.
  std::map<std::size_t, std::shared_ptr<Inquiry>> inquiries_;
  TimerId timer_;
  bool closing_ = false;
  std::string registration_id_;
  std::string token_;
  Pod pod_;
  std::vector<WorkItem> predecessors_work_;

  Signal settled_;
  Signal left_;
  Signal closed_;
  Mutex mutex_;
  std::optional<Result<Registration>> registration_ VIGIL_GUARDED_BY(mutex_);
  std::optional<Error> leave_error_ VIGIL_GUARDED_BY(mutex_);
  // Destroyed by Close, after the last stream.
  std::unique_ptr<Loop> callback_loop_ = std::make_unique<Loop>();
};

PodSession::PodSession(const Client& client, Options options, Callbacks callbacks)
    : driver_(std::make_shared<Driver>(client.core_, std::move(options), std::move(callbacks))) {
  driver_->Start();
}

PodSession::~PodSession() { driver_->Close(); }

Result<Registration> PodSession::AwaitRegistration() { return driver_->AwaitRegistration(); }

std::optional<Time> PodSession::alive_until() const { return driver_->alive_until(); }

Standing PodSession::standing() const { return driver_->standing(); }

void PodSession::Feed() noexcept { driver_->Feed(); }

Result<void> PodSession::Leave(Duration timeout) { return driver_->Leave(timeout); }

}  // namespace vigil::client
