#include "cli/incidents.h"

#include <cstdio>
#include <string>
#include <utility>

namespace vigil::client {
namespace {

// As often as a coordinator tells the position of a stream on which nothing happens.
constexpr Duration kWorthSaying = std::chrono::seconds(5);

std::string Seconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(duration).count());
  return text;
}

std::int64_t Milliseconds(Duration duration) { return duration / std::chrono::milliseconds(1); }

}  // namespace

void Incidents::OnInterrupted(const Error& why) {
  if (std::exchange(interrupted_, true)) return;
  progress_.Say("interrupted", "interrupted, and trying to go on: " + Describe(why),
                {{"code", Name(why.code)}, {"reason", Name(why.reason)}, {"message", why.message}});
}

void Incidents::OnResumed(const Resumption& resumption) {
  interrupted_ = false;
  const std::string where =
      resumption.after.empty() ? "from the start" : "after " + resumption.after.text();
  progress_.Say("resumed",
                "resumed after " + Seconds(resumption.interrupted) + " at " + resumption.address +
                    ", " + where,
                {{"interrupted_ms", Milliseconds(resumption.interrupted)},
                 {"attempts", resumption.attempts},
                 {"address", resumption.address},
                 {"after", resumption.after.text()}});
}

void Incidents::OnPosition(const Position& position) {
  if (position.read_age < kWorthSaying) return LogIsRead();
  if (unread_since_) return;
  unread_since_ = BootClock::now() - position.read_age;
  progress_.Say("log_not_read",
                "the log has not been read for " + Seconds(position.read_age) +
                    ": until it is, silence means nothing",
                {{"read_age_ms", Milliseconds(position.read_age)}});
}

void Incidents::LogIsRead() {
  if (!unread_since_) return;
  const Duration unread = BootClock::now() - *std::exchange(unread_since_, std::nullopt);
  progress_.Say("log_read", "the log is read again, after " + Seconds(unread),
                {{"unread_ms", Milliseconds(unread)}});
}

}  // namespace vigil::client
