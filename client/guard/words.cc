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

// Who the pod is, and where.
Progress::Fields HostFields(const Standing& standing) {
  return {{"incarnation", standing.incarnation.value()},
          {"coordinator", standing.coordinator.value()},
          {"session", standing.session.value()},
          {"address", standing.address}};
}

std::string Host(const Standing& standing) {
  return standing.address + " (coordinator " + Text(standing.coordinator) + ")";
}

}  // namespace

std::string Text(const std::optional<Error>& why) {
  return why ? why->message : "for no known reason";
}

void SayWaitingForName(const Progress& progress, const std::string& name, Incarnation incumbent) {
  progress.Say(
      "waiting_for_name",
      "waiting for the verdict about incarnation " + Text(incumbent) + " of the name " + name,
      {{"incumbent", incumbent.value()}});
}

void SayRefused(const Progress& progress, const Error& why) {
  progress.Say("refused", "not registered: " + Describe(why) + ". " + why.hint,
               {{"reason", Name(why.reason)}, {"message", why.message}, {"hint", why.hint}});
}

void SayRegistered(const Progress& progress, const Standing& standing) {
  progress.Say("registered",
               "registered as incarnation " + Text(standing.incarnation) + " at " + Host(standing),
               HostFields(standing));
}

void SayMoved(const Progress& progress, const Standing& standing) {
  progress.Say("alive", "alive at " + Host(standing), HostFields(standing));
}

void SayLost(const Progress& progress, const std::optional<Error>& why, Incarnation incarnation) {
  progress.Say("lost", "lost: " + Text(why), {{"incarnation", incarnation.value()}});
}

void SayStandingBy(const Progress& progress, const WorkItem& item) {
  progress.Say("standing_by",
               "standing by: " + item.key + " is owned by " + item.owner_name + " (incarnation " +
                   Text(item.owner) + ")",
               {{"key", item.key},
                {"owner", item.owner.value()},
                {"owner_name", item.owner_name},
                {"fence", item.fence.value()}});
}

void SayOwned(const Progress& progress, const Ownership& ownership) {
  const WorkItem& item = ownership.item;
  if (!ownership.claimed) {
    return progress.Say("started", "started " + item.key + " with fence " + Text(item.fence),
                        {{"key", item.key}, {"fence", item.fence.value()}});
  }
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

void SayStarved(const Progress& progress, const std::string& command, pid_t group, Duration limit) {
  const auto ms = limit / milliseconds(1);
  progress.Say("starved", command + " did not feed its watchdog of " + std::to_string(ms) + " ms",
               {{"pid", group}, {"watchdog_ms", ms}});
}

void SayTrouble(const Progress& progress, const Error& trouble) {
  progress.Say("trouble", Describe(trouble),
               {{"reason", Name(trouble.reason)}, {"message", trouble.message}});
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

std::string ReasonOf(int code) {
  const std::string reason = "the command exited with " + std::to_string(code);
  return code > 128 ? reason + ", that is signal " + std::to_string(code - 128) : reason;
}

std::string ReasonOfStarved(Duration watchdog) {
  return "the command did not feed its watchdog of " + std::to_string(watchdog / milliseconds(1)) +
         " ms";
}

std::map<std::string, std::string> CommandEnvironment(const std::vector<std::string>& addresses,
                                                      const WorkItem& item,
                                                      const std::string& pod) {
  std::string list;
  for (const std::string& address : addresses) list += (list.empty() ? "" : ",") + address;
  std::map<std::string, std::string> environment = {{"VIGIL_ADDRESS", list},
                                                    {"VIGIL_NAMESPACE", item.ns},
                                                    {"VIGIL_POD", pod},
                                                    {"VIGIL_INCARNATION", Text(item.owner)},
                                                    {"VIGIL_WORK_KEY", item.key},
                                                    {"VIGIL_FENCE", Text(item.fence)},
                                                    {"VIGIL_PAYLOAD", item.payload},
                                                    {"VIGIL_CHECKPOINT", item.checkpoint}};
  // An environment ends its values at a zero byte: better no value than half of one.
  std::erase_if(environment,
                [](const auto& entry) { return entry.second.find('\0') != std::string::npos; });
  return environment;
}

}  // namespace vigil::client
