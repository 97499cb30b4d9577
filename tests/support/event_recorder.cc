#include "support/event_recorder.h"

#include <span>
#include <utility>

#include "support/process.h"

namespace vigil {

EventRecorder::EventRecorder(const client::Client& client, std::string ns,
                             client::SubscriptionStart start)
    : subscription_(
          client, {.ns = std::move(ns), .start = std::move(start), .retry_first = true},
          {.on_snapshot =
               [this](std::span<const client::Pod> pods, const client::Cursor& cursor) {
                 Change([&] {
                   snapshot_.assign(pods.begin(), pods.end());
                   cursor_ = cursor;
                 });
               },
           .on_events =
               [this](std::span<const client::Event> events, const client::Cursor& cursor) {
                 const Instant at = Now();
                 Change([&] {
                   cursor_ = cursor;
                   for (const client::Event& event : events) seen_.push_back({event, at});
                 });
               },
           .on_position = [this](const client::Position&) { Change([] {}); },
           .on_end =
               [this](const client::Error& why) {
                 std::lock_guard lock(mutex_);
                 ended_ = why;
                 changed_.notify_all();
               }}) {}

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

std::string FindGap(const std::vector<client::Event>& events) {
  for (size_t i = 1; i < events.size(); ++i) {
    const uint64_t before = events[i - 1].seq.value();
    const uint64_t after = events[i].seq.value();
    if (after != before + 1) {
      return "event " + std::to_string(after) + " came after event " + std::to_string(before);
    }
  }
  return "";
}

}  // namespace vigil
