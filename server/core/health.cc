#include "core/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace vigil {
namespace {

std::string Seconds(Duration duration) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
}

// Of a message from outside, which may have several.
std::string OneLine(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

HealthCheck Ok(std::string_view name, std::string sentence) {
  return {.name = name, .sentence = std::move(sentence)};
}

HealthCheck Fails(std::string_view name, std::string sentence, std::string hint) {
  return {name, false, OneLine(std::move(sentence)), OneLine(std::move(hint)), {}};
}

HealthCheck Loops(const std::vector<std::string_view>& halted) {
  if (halted.empty()) return Ok("loops", "every loop turns");
  return Fails("loops", fmt::format("the loop of {} does not turn", fmt::join(halted, " and ")),
               "Restart this process; a stack of its threads, taken before, says why.");
}

HealthCheck Reader(const LogHealth& log) {
  if (!log.gave_up) return Ok("reader", "no reading of the event log is overdue");
  return Fails("reader", "a reading of the event log never came back", "Restart this process.");
}

HealthCheck Tls(const std::optional<Error>& unconnectable) {
  if (!unconnectable) return Ok("tls", "connections can begin");
  return Fails("tls", "no new connection can begin: " + unconnectable->message,
               unconnectable->hint);
}

HealthCheck Examination(const std::optional<Error>& unexamined) {
  if (!unexamined) return Ok("examination", "the database was found fit for use at the start");
  return Fails("examination", unexamined->message, unexamined->hint);
}

HealthCheck Draining(bool draining) {
  if (!draining) return Ok("draining", "it is not shutting down");
  return Fails("draining", "this coordinator is shutting down", "Use another coordinator.");
}

HealthCheck DatabaseAnswers(const HealthFacts& facts) {
  constexpr std::string_view kName = "database";
  const auto& answered = facts.link.answered;
  if (facts.link.answers && answered) {
    return Ok(kName, fmt::format("PostgreSQL answered {} ago", Seconds(*answered)));
  }
  return Fails(kName,
               answered ? fmt::format("PostgreSQL has not answered for {}, and the trust window is "
                                      "{}",
                                      Seconds(*answered), Seconds(facts.trust_window))
                        : "PostgreSQL has answered no liveness session yet",
               "See whether PostgreSQL runs and can be reached from here; `vigild doctor` tells.");
}

HealthCheck Trust(const HealthFacts& facts) {
  constexpr std::string_view kName = "trust";
  const auto& renewed = facts.link.renewed;
  if (facts.link.renews && renewed) {
    return Ok(kName, fmt::format("its row was renewed {} ago", Seconds(*renewed)));
  }
  return Fails(
      kName,
      renewed ? fmt::format("its row was not renewed for {}, and the trust window is {}: it "
                            "grants no lease",
                            Seconds(*renewed), Seconds(facts.trust_window))
              : "it has no row in the cluster, and grants no lease",
      "If the check database is ok, commits are what hangs: look at PostgreSQL's synchronous "
      "standbys, its disk and its locks.");
}

HealthCheck Link(const LinkHealth& link) {
  if (link.sound) return Ok("link", "the last two pings were answered in time");
  return Fails("link", "the last two pings were not answered in time, so no pod is asked to come",
               "It mends itself when PostgreSQL answers; pods that are here stay or find better.");
}

// With the table nearly full it tells, and changes nobody's answer: pods that move still find room.
HealthCheck Capacity(const LinkHealth& link) {
  const auto& none = link.no_room_for_moved ? link.no_room_for_moved : link.no_room_for_new;
  HealthCheck check = none ? Fails("capacity", none->message, none->hint)
                           : Ok("capacity", "there is room for new pods");
  if (!none || link.no_room_for_moved) check.needed_by = {Sign::kPods};
  return check;
}

HealthCheck Log(const LogHealth& log) {
  if (log.readable) return Ok("log", "the event log is read, and commits are acknowledged");
  return Fails("log", "the event log is not read, or no commit is acknowledged",
               "Subscribers are told its age and find another coordinator if there is a better "
               "one; see the checks before this one.");
}

HealthCheck For(std::vector<Sign> signs, HealthCheck check) {
  check.needed_by = std::move(signs);
  return check;
}

}  // namespace

bool HealthCheck::NeededBy(Sign sign) const { return std::ranges::count(needed_by, sign) > 0; }

const HealthCheck* Health::FirstFailing(Sign sign) const {
  const auto found = std::ranges::find_if(
      checks, [sign](const HealthCheck& check) { return !check.ok && check.NeededBy(sign); });
  return found == checks.end() ? nullptr : &*found;
}

Health HealthOf(const HealthFacts& facts) {
  using enum Sign;
  return {{
      For({kLive, kReady, kPods, kEvents}, Loops(facts.halted)),
      For({kLive, kEvents}, Reader(facts.log)),
      For({kReady, kPods, kEvents}, Draining(facts.draining)),
      For({kReady, kPods, kEvents}, Tls(facts.unconnectable)),
      For({kReady, kPods}, Examination(facts.unexamined)),
      For({kReady, kPods}, DatabaseAnswers(facts)),
      For({kReady, kPods}, Trust(facts)),
      For({kPods}, Link(facts.link)),
      Capacity(facts.link),
      For({kEvents}, Log(facts.log)),
  }};
}

}  // namespace vigil
