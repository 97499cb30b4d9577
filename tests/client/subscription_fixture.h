// A subscription that writes down what its callbacks are told, and coordinators that do what a test
// says.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "client/journal.h"
#include "client/scripted_coordinator.h"
#include "vigil/subscription.h"

namespace vigil::client {

using Writer = grpc::ServerWriter<v1::SubscribeResponse>;

inline v1::SubscribeResponse EventsMessage(std::initializer_list<std::uint64_t> seqs) {
  v1::SubscribeResponse response;
  for (const std::uint64_t seq : seqs) response.mutable_events()->add_events()->set_seq(seq);
  response.mutable_events()->set_cursor(std::to_string(*std::prev(seqs.end())));
  return response;
}

inline v1::SubscribeResponse EndMessage(v1::EndReason reason) {
  v1::SubscribeResponse response;
  response.mutable_end()->set_reason(reason);
  return response;
}

// The log retains these.
inline v1::SubscribeResponse ExpiredMessage(std::uint64_t oldest, std::uint64_t head) {
  v1::SubscribeResponse response = EndMessage(v1::END_REASON_EXPIRED);
  response.mutable_end()->set_oldest(oldest);
  response.mutable_end()->set_head(head);
  return response;
}

inline v1::SubscribeResponse PositionMessage(std::uint64_t seq, Duration read_age) {
  v1::SubscribeResponse response;
  response.mutable_position()->set_cursor(std::to_string(seq));
  response.mutable_position()->set_seq(seq);
  response.mutable_position()->set_head(seq);
  response.mutable_position()->mutable_read_age()->set_nanos(
      static_cast<std::int32_t>(read_age.count() % 1'000'000'000));
  response.mutable_position()->mutable_read_age()->set_seconds(read_age / std::chrono::seconds(1));
  return response;
}

inline const auto kAny = [](const auto&) { return true; };

class SubscriptionTest : public ::testing::Test {
 protected:
  void Follow(Subscription::Options options) { Follow({&a_, &b_}, std::move(options)); }

  void Follow(std::initializer_list<ScriptedCoordinator*> coordinators,
              Subscription::Options options) {
    subscription_.emplace(
        Connect(coordinators), std::move(options),
        Subscription::Callbacks{
            .on_snapshot =
                [this](std::span<const Pod> pods, const Cursor& cursor) {
                  snapshots_.Add({{pods.begin(), pods.end()}, cursor});
                },
            .on_events =
                [this](std::span<const Event> events, const Cursor&) {
                  for (const Event& event : events) events_.Add(event);
                },
            .on_position = [this](const Position& position) { positions_.Add(position); },
            .on_interrupted = [this](const Error& why) { interruptions_.Add(why); },
            .on_resumed = [this](const Resumption& resumption) { resumptions_.Add(resumption); },
            .on_end = [this](const Error& why) { ends_.Add(why); }});
  }

  void Append(int count = 1) {
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      event.set_kind(v1::EVENT_KIND_POD_DIED);
      cluster_.Append(event);
    }
  }

  bool AwaitSeq(std::uint64_t seq) {
    return events_.Await([seq](const Event& event) { return event.seq == Seq(seq); }).has_value();
  }

  std::vector<std::uint64_t> Seqs() const {
    std::vector<std::uint64_t> seqs;
    for (const Event& event : events_.all()) seqs.push_back(event.seq.value());
    return seqs;
  }

  Cluster cluster_;
  ScriptedCoordinator a_{cluster_, 1};
  ScriptedCoordinator b_{cluster_, 2};
  Journal<std::pair<std::vector<Pod>, Cursor>> snapshots_;
  Journal<Event> events_;
  Journal<Position> positions_;
  Journal<Error> interruptions_;
  Journal<Resumption> resumptions_;
  Journal<Error> ends_;
  std::optional<Subscription> subscription_;
};

}  // namespace vigil::client
