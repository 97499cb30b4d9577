#include "guard/words.h"

#include <cstdio>

namespace vigil::client {
namespace {

using std::chrono::milliseconds;

std::string Tenths(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

std::string Text(const std::optional<Error>& why) {
  return why ? why->message : "for no known reason";
}

Progress::Fields HostFields(const Standing& standing) {
  return {{"incarnation", standing.incarnation.value()},
          {"coordinator", standing.coordinator.value()},
          {"session", standing.session.value()},
          {"address", standing.address}};
}

void SayClaimed(const Progress& progress, const Ownership& ownership) {
  const WorkItem& item = ownership.item;
  Progress::Fields fields{{"key", item.key},
                          {"fence", item.fence.value()},
                          {"previous_owner", ownership.previous_owner.value()},
                          {"claimed_at_ns", Nanoseconds(ownership.owned_at)}};
  std::string text = "claimed " + item.key + " from incarnation " + Text(ownership.previous_owner) +
                     " with fence " + Text(item.fence);
  if (ownership.event != EventKind::kUnknown) {
    const double ms =
        std::chrono::duration<double, std::milli>(ownership.owned_at - ownership.event_at).count();
    fields["after"] = Name(ownership.event);
    fields["event_at_ns"] = Nanoseconds(ownership.event_at);
    fields["ms_since_event"] = ms;
    text += ", " + Tenths(ms) + " ms after " + std::string(Name(ownership.event));
  }
  progress.Say("claimed", text, fields);
}

void SayPaused(const Progress& progress, const Pause& pause) {
  const auto ms = pause.length / milliseconds(1);
  const auto suspended = pause.suspended / milliseconds(1);
  std::string text = "paused for " + std::to_string(ms) + " ms";
  if (suspended > 0) text += "; the machine was suspended for " + std::to_string(suspended) + " ms";
  progress.Say("paused", text, {{"paused_ms", ms}, {"suspended_ms", suspended}});
}

void SayWallClockJumped(const Progress& progress, Duration by) {
  const auto ms = by / milliseconds(1);
  progress.Say("wall_clock_jumped",
               "the wall clock was set by " + std::to_string(ms) + " ms; nothing depends on it",
               {{"by_ms", ms}});
}

}  // namespace vigil::client
