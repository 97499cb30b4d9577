#include "sim/distant_session.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/errors.h"

namespace vigil::sim {
namespace {

constexpr Duration kDeadline = std::chrono::seconds(2);
constexpr Duration kRefusal = std::chrono::milliseconds(1);

}  // namespace

// Both ends of the connection. It outlives the process, since the server's end does.
class DistantSession::Wire : public std::enable_shared_from_this<Wire> {
 public:
  explicit Wire(DatabaseLink link) : link_(std::move(link)) {}

  Backend backend() const { return backend_; }

  // The server's end.
  bool Connect() {
    auto tell_lost = [weak = weak_from_this()] {
      const auto wire = weak.lock();
      if (!wire || wire->link_.route->answers_cut) return;
      wire->link_.machine.Arrive(wire->link_.time.Now() + wire->link_.Delay(), [wire] {
        wire->Lose(DatabaseUnavailable("the session was ended"));
      });
    };
    auto opened = engine().OpenSession(std::make_shared<memory::Link>(), std::move(tell_lost));
    if (!opened) return false;
    backend_ = *opened;
    link_.server.clients[backend_] = &link_.machine;
    last_request_ = link_.time.Now();
    WatchIdleness();
    return true;
  }

  // `formerly` is the answer of a former primary; nothing when it does not answer.
  template <typename T>
  void Ask(std::function<Result<T>()> act, std::optional<Result<T>> formerly, Then<T> then) {
    const uint64_t number = ++asked_;
    waiting_.emplace(number, [then](const Error& why) { then(Fail(why)); });
    auto deadline = link_.machine.After(
        kDeadline, [this] { Lose(DatabaseUnavailable("no answer came in time")); });
    deadlines_.emplace(number, std::move(deadline));
    if (link_.route->requests_cut) return;
    arrival_ = std::max(arrival_ + Duration(1), link_.time.Now() + link_.Delay());
    link_.time.At(arrival_,
                  {nullptr,
                   [self = shared_from_this(), act = std::move(act), formerly = std::move(formerly),
                    then, number] { self->CarryOut<T>(act, formerly, then, number); },
                   false});
  }

  void OnLost(std::function<void(Error)> callback) {
    on_lost_ = std::move(callback);
    if (lost_) link_.machine.Post([self = shared_from_this()] { self->TellLost(); });
  }

  // The client's end is closed, by its own side.
  void Close() {
    closed_ = true;
    on_lost_ = nullptr;
    waiting_.clear();
    deadlines_.clear();
    Finish();
  }

  memory::Engine& engine() { return *link_.server.engine; }

 private:
  template <typename T>
  void CarryOut(const std::function<Result<T>()>& act, const std::optional<Result<T>>& formerly,
                const Then<T>& then, uint64_t number) {
    if (link_.route->requests_cut) return;
    last_request_ = link_.time.Now();
    link_.time.ActFor(&link_.machine);
    std::optional<Result<T>> answer;
    if (link_.route->former_primary) {
      answer = formerly;
    } else {
      answer = act();
    }
    if (!answer || link_.route->answers_cut) return;
    answer_arrival_ = std::max(answer_arrival_ + Duration(1), link_.time.Now() + link_.Delay());
    link_.machine.Arrive(answer_arrival_, [self = shared_from_this(), answer, then, number] {
      self->Answered<T>(*answer, then, number);
    });
  }

  template <typename T>
  void Answered(const Result<T>& answer, const Then<T>& then, uint64_t number) {
    if (waiting_.erase(number) == 0) return;
    deadlines_.erase(number);
    if (answer) {
      then(answer);
    } else {
      then(Fail(answer.error()));
      if (!closed_) Lose(answer.error());
    }
  }

  void Lose(const Error& why) {
    if (lost_ || closed_) return;
    lost_ = why;
    const auto self = shared_from_this();
    deadlines_.clear();
    for (auto& [number, fail] : std::exchange(waiting_, {})) {
      fail(why);
      if (closed_) return;
    }
    Finish();
    TellLost();
  }

  void TellLost() {
    if (closed_) return;
    if (auto callback = std::exchange(on_lost_, nullptr)) callback(*lost_);
  }

  // The server hears of it, if it can.
  void Finish() {
    if (link_.route->requests_cut || link_.route->former_primary || finished_) return;
    finished_ = true;
    link_.time.After(link_.Delay(),
                     [self = shared_from_this()] { self->engine().CloseSession(self->backend_); });
  }

  // Keeps the server's end in being until it is closed or was silent for too long.
  void WatchIdleness() {
    const Duration limit = link_.server.idle_session_timeout;
    link_.time.At(last_request_ + limit, {nullptr,
                                          [self = shared_from_this(), limit] {
                                            if (self->finished_) return;
                                            const Duration silence =
                                                self->link_.time.Now() - self->last_request_;
                                            if (silence < limit) return self->WatchIdleness();
                                            self->engine().EndSession(self->backend_);
                                          },
                                          false});
  }

  DatabaseLink link_;
  Backend backend_;
  uint64_t asked_ = 0;
  std::map<uint64_t, std::function<void(const Error&)>> waiting_;
  std::map<uint64_t, std::unique_ptr<Timer>> deadlines_;
  Instant arrival_{};
  Instant answer_arrival_{};
  Instant last_request_{};
  std::optional<Error> lost_;
  std::function<void(Error)> on_lost_;
  bool closed_ = false;
  bool finished_ = false;
};

void DistantSession::Open(DatabaseLink link, const Then<std::unique_ptr<LivenessSession>>& then) {
  Machine& machine = link.machine;
  VirtualTime& time = link.time;
  const Duration there = link.Delay();
  const Duration back = link.Delay();
  const auto fail = [&machine, &time, then](Duration later) {
    machine.Arrive(time.Now() + later,
                   [then] { then(Fail(DatabaseUnavailable("the database is away"))); });
  };
  if (link.server.down) return fail(kRefusal);
  if (link.CannotAsk() || link.route->answers_cut) return fail(kDeadline);
  time.After(there, [link = std::move(link), &machine, &time, then, fail, back] {
    if (link.server.down || link.CannotAsk()) return fail(kDeadline);
    auto wire = std::make_shared<Wire>(link);
    if (!wire->Connect()) return fail(kRefusal);
    machine.Arrive(time.Now() + back, [wire, then] {
      then(std::unique_ptr<LivenessSession>(new DistantSession(wire)));
    });
  });
}

DistantSession::~DistantSession() { wire_->Close(); }

Backend DistantSession::backend() const { return wire_->backend(); }

void DistantSession::IssueLock(LockKind kind, Then<uint64_t> then) {
  wire_->Ask<uint64_t>(
      [wire = wire_.get(), kind] { return wire->engine().IssueLock(wire->backend(), kind); },
      std::nullopt, std::move(then));
}

void DistantSession::TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) {
  using Keys = std::vector<LockKey>;
  wire_->Ask<Keys>(
      [wire = wire_.get(), keys] { return wire->engine().TakeLocks(wire->backend(), keys); },
      Result<Keys>(keys), std::move(then));
}

void DistantSession::ReleaseLocks(std::vector<LockKey> keys, Then<void> then) {
  wire_->Ask<void>(
      [wire = wire_.get(), keys] { return wire->engine().ReleaseLocks(wire->backend(), keys); },
      Result<void>(), std::move(then));
}

void DistantSession::Ping(Then<void> then) {
  wire_->Ask<void>([wire = wire_.get()] { return wire->engine().Ping(wire->backend()); },
                   Result<void>(), std::move(then));
}

void DistantSession::OnLost(std::function<void(Error)> callback) {
  wire_->OnLost(std::move(callback));
}

}  // namespace vigil::sim
