#include "support/raw_subscriber.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "core/cursor.h"
#include "support/process.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"

namespace vigil {
namespace {

constexpr char kNamespace[] = "default";

std::optional<Position> PositionIn(const std::string& cursor) {
  const auto parsed = ParseCursor(cursor, kNamespace);
  return parsed ? std::optional(parsed->position) : std::nullopt;
}

Event EventIn(const v1::Event& told) {
  Event event;
  event.seq = Seq{told.seq()};
  // The contract's enumerations have a first value that is never sent, or that means nothing.
  event.kind = static_cast<EventKind>(told.kind() - 1);
  event.pod_name = told.pod_name();
  event.incarnation = Incarnation{told.incarnation()};
  event.cause = static_cast<Cause>(told.cause());
  event.orphans = told.orphans();
  event.work_key = told.work_key();
  event.fence = Fence{told.fence()};
  event.previous_owner = Incarnation{told.previous_owner()};
  event.pod_labels = {told.pod_labels().begin(), told.pod_labels().end()};
  return event;
}

Duration DurationIn(const google::protobuf::Duration& told) {
  return std::chrono::seconds(told.seconds()) + std::chrono::nanoseconds(told.nanos());
}

history::Ended EndIn(const v1::End& told) {
  history::Ended end;
  if (told.reason() == v1::END_REASON_EXPIRED) {
    end.reason = history::EndReason::kExpired;
    if (told.oldest() != 0) end.oldest = Seq{told.oldest()};
    if (told.oldest() != 0) end.head = Seq{told.head()};
  } else if (told.reason() == v1::END_REASON_LAGGED) {
    end.reason = history::EndReason::kLagged;
  } else if (told.reason() == v1::END_REASON_DRAINING) {
    end.reason = history::EndReason::kDraining;
  }
  end.position = PositionIn(told.cursor());
  return end;
}

decltype(history::Record::what) RecordIn(const v1::SubscribeResponse& message) {
  if (message.has_snapshot()) {
    history::SnapshotTold told{.pods = {}, .position = PositionIn(message.snapshot().cursor())};
    for (const auto& pod : message.snapshot().pods()) {
      told.pods.push_back(Incarnation{pod.incarnation()});
    }
    return told;
  }
  if (message.has_events()) {
    history::EventsTold told{.events = {},
                             .position = PositionIn(message.events().cursor()).value_or(Position{}),
                             .bytes = message.ByteSizeLong()};
    for (const auto& event : message.events().events()) told.events.push_back(EventIn(event));
    return told;
  }
  if (message.has_end()) return EndIn(message.end());
  const auto& position = message.position();
  return history::PositionTold{.position = PositionIn(position.cursor()).value_or(Position{}),
                               .head = Seq{position.head()},
                               .read_age = DurationIn(position.read_age()),
                               .oldest = Seq{position.oldest()}};
}

v1::SubscribeRequest RequestFor(const history::Start& start) {
  v1::SubscribeRequest request;
  request.set_namespace_(kNamespace);
  if (const auto* after = std::get_if<Position>(&start)) {
    request.set_after_cursor(FormatCursor({*after, kNamespace}));
  } else if (std::holds_alternative<history::FromOldest>(start)) {
    request.mutable_from_oldest();
  } else {
    request.mutable_from_now();
  }
  return request;
}

std::shared_ptr<grpc::Channel> OwnChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // On one machine gRPC would let megabytes come that nobody reads.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

class RawSubscriber::Stream final : public grpc::ClientReadReactor<v1::SubscribeResponse> {
 public:
  Stream(const std::string& address, const history::Start& start, Reading reading)
      : stub_(v1::PodEventService::NewStub(OwnChannel(address))), request_(RequestFor(start)) {
    Note(history::Opened{.start = start});
    stub_->async()->Subscribe(&context_, &request_, this);
    if (reading == Reading::kAlways) {
      StartRead(&incoming_);
    } else {
      AddHold();  // until it reads on, outside gRPC's callbacks
      held_ = true;
    }
    StartCall();
  }

  ~Stream() override {
    context_.TryCancel();
    if (held_) RemoveHold();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  void ReadOn() {
    if (!std::exchange(held_, false)) return;
    StartRead(&incoming_);
    RemoveHold();
  }

  history::History History() const {
    std::lock_guard lock(mutex_);
    return history_;
  }

  bool AwaitSeq(Seq seq, Duration within) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, within, [&] { return told_ >= seq || done_; });
    return told_ >= seq;
  }

  bool AwaitEnd(Duration within) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [this] { return done_; });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      std::lock_guard lock(mutex_);
      Note(RecordIn(incoming_));
      if (const auto position = history::LastPosition(history_)) told_ = position->seq;
      changed_.notify_all();
    }
    StartRead(&incoming_);
  }

  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    if (!std::holds_alternative<history::Ended>(history_.back().what)) {
      history::Ended end;
      end.error = status.ok() ? "" : "status " + std::to_string(status.error_code());
      Note(std::move(end));
    }
    done_ = true;
    changed_.notify_all();
  }

  void Note(decltype(history::Record::what) what) { history_.push_back({Now(), std::move(what)}); }

  const std::unique_ptr<v1::PodEventService::Stub> stub_;
  const v1::SubscribeRequest request_;
  grpc::ClientContext context_;
  v1::SubscribeResponse incoming_;
  bool held_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  history::History history_;
  Seq told_;
  bool done_ = false;
};

RawSubscriber::RawSubscriber(const std::string& address, const history::Start& start,
                             Reading reading)
    : stream_(std::make_unique<Stream>(address, start, reading)) {}

RawSubscriber::~RawSubscriber() = default;

void RawSubscriber::ReadOn() { stream_->ReadOn(); }

history::History RawSubscriber::History() const { return stream_->History(); }

bool RawSubscriber::AwaitSeq(Seq seq, Duration within) { return stream_->AwaitSeq(seq, within); }

bool RawSubscriber::AwaitEnd(Duration within) { return stream_->AwaitEnd(within); }

}  // namespace vigil
