#include "support/event_recorder.h"

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "history/from_client.h"
#include "support/process.h"

namespace vigil {
namespace {

std::optional<Seq> SeqIn(const client::Error& error, const std::string& name) {
  const auto found = error.metadata.find(name);
  if (found == error.metadata.end()) return std::nullopt;
  return Seq{std::stoull(found->second)};
}

// None for a coordinator that did not say why.
std::optional<history::EndReason> ReasonNamed(const std::string& end) {
  if (end == "LAGGED") return history::EndReason::kLagged;
  if (end == "DRAINING") return history::EndReason::kDraining;
  return std::nullopt;
}

}  // namespace

EventRecorder::EventRecorder(const client::Client& client, std::string ns,
                             client::SubscriptionStart start, Duration idle_timeout)
    : ns_(std::move(ns)),
      start_(std::move(start)),
      history_{{Now(), history::Opened{.start = history::FromClient(start_, ns_)}}},
      subscription_(
          client, {.ns = ns_, .start = start_, .idle_timeout = idle_timeout, .retry_first = true},
          {.on_snapshot =
               [this](std::span<const client::Pod> pods, const client::Cursor& cursor) {
                 Change([&] {
                   snapshot_.assign(pods.begin(), pods.end());
                   cursor_ = cursor;
                   history::SnapshotTold told{.pods = {}, .position = PositionAt(cursor)};
                   for (const client::Pod& pod : pods) {
                     told.pods.push_back(Incarnation{pod.incarnation.value()});
                   }
                   Note(std::move(told));
                 });
               },
           .on_events =
               [this](std::span<const client::Event> events, const client::Cursor& cursor) {
                 const Instant at = Now();
                 Change([&] {
                   cursor_ = cursor;
                   history::EventsTold told{.events = {}, .position = PositionAt(cursor)};
                   for (const client::Event& event : events) {
                     seen_.push_back({event, at});
                     told.events.push_back(history::FromClient(event));
                   }
                   Note(std::move(told));
                 });
               },
           .on_position =
               [this](const client::Position& position) {
                 Change([&] {
                   cursor_ = position.cursor;
                   Note(history::PositionTold{.position = PositionAt(position.cursor),
                                              .head = Seq{position.head.value()},
                                              .read_age = position.read_age,
                                              .oldest = Seq{position.oldest.value()}});
                 });
               },
           .on_interrupted =
               [this](const client::Error& why) {
                 std::lock_guard lock(mutex_);
                 NoteOver(why);
               },
           .on_resumed =
               [this](const client::Resumption&) {
                 std::lock_guard lock(mutex_);
                 // Where it must go on, whatever the library says.
                 const auto after = cursor_ ? client::SubscriptionStart(*cursor_) : start_;
                 Note(history::Opened{.start = history::FromClient(after, ns_)});
               },
           .on_end =
               [this](const client::Error& why) {
                 std::lock_guard lock(mutex_);
                 NoteOver(why);
                 ended_ = why;
                 changed_.notify_all();
               }}) {}

template <typename What>
void EventRecorder::Note(What what) {
  history_.push_back({Now(), std::move(what)});
}

void EventRecorder::NoteOver(const client::Error& why) {
  // An attempt that failed before anything came is none that was open.
  if (std::holds_alternative<history::Ended>(history_.back().what)) return;
  history::Ended end;
  const auto how = why.metadata.find("end");
  if (why.code == client::Code::kOutOfRange) {
    end.reason = history::EndReason::kExpired;
    end.oldest = SeqIn(why, "oldest");
    end.head = SeqIn(why, "head");
  } else if (how == why.metadata.end()) {
    end.error = client::Describe(why);
  } else {
    end.reason = ReasonNamed(how->second);
    const auto stood = why.metadata.find("cursor");
    if (stood != why.metadata.end()) end.position = PositionAt(client::Cursor(stood->second));
  }
  Note(std::move(end));
}

Position EventRecorder::PositionAt(const client::Cursor& cursor) const {
  return history::FromClient(cursor, ns_);
}

void EventRecorder::Change(const std::function<void()>& change) {
  std::lock_guard lock(mutex_);
  started_ = true;
  change();
  changed_.notify_all();
}

bool EventRecorder::AwaitStart(Duration within) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, within, [this] { return started_ || ended_; });
  return started_;
}

std::optional<EventRecorder::Seen> EventRecorder::Await(const Match& matches, Duration within) {
  const Instant deadline = Now() + within;
  std::unique_lock lock(mutex_);
  for (size_t next = 0;;) {
    for (; next < seen_.size(); ++next) {
      if (matches(seen_[next].event)) return seen_[next];
    }
    if (ended_ || Now() >= deadline) return std::nullopt;
    changed_.wait_for(lock, deadline - Now());
  }
}

bool EventRecorder::AwaitSeq(client::Seq seq, Duration within) {
  return Await([seq](const client::Event& event) { return event.seq == seq; }, within).has_value();
}

std::vector<client::Event> EventRecorder::Events() const {
  std::lock_guard lock(mutex_);
  std::vector<client::Event> events;
  for (const Seen& seen : seen_) events.push_back(seen.event);
  return events;
}

size_t EventRecorder::Count(const Match& matches) const {
  size_t count = 0;
  for (const client::Event& event : Events()) count += matches(event) ? 1 : 0;
  return count;
}

std::vector<client::Pod> EventRecorder::Snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

std::optional<client::Cursor> EventRecorder::LastCursor() const {
  std::lock_guard lock(mutex_);
  return cursor_;
}

std::optional<client::Error> EventRecorder::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

history::History EventRecorder::History() const {
  std::lock_guard lock(mutex_);
  return history_;
}

EventRecorder::Match Of(client::EventKind kind) {
  return [kind](const client::Event& event) { return event.kind == kind; };
}

EventRecorder::Match Of(client::EventKind kind, std::string pod_name) {
  return [kind, pod_name = std::move(pod_name)](const client::Event& event) {
    return event.kind == kind && event.pod_name == pod_name;
  };
}

EventRecorder::Match Of(client::EventKind kind, client::Incarnation incarnation) {
  return [kind, incarnation](const client::Event& event) {
    return event.kind == kind && event.incarnation == incarnation;
  };
}

EventRecorder::Match Claimed(std::string work_key) {
  return [work_key = std::move(work_key)](const client::Event& event) {
    return event.kind == client::EventKind::kWorkClaimed && event.work_key == work_key;
  };
}

}  // namespace vigil
