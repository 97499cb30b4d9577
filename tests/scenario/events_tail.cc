#include "events_tail.h"

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/cursor.h"
#include "history/named.h"

namespace vigil {
namespace {

constexpr char kNamespace[] = "default";
constexpr auto kToEnd = std::chrono::seconds(20);

using Json = nlohmann::json;

Event EventIn(const Json& line) {
  Event event;
  event.seq = Seq{line.at("seq").get<uint64_t>()};
  event.kind = history::Named<EventKind>(line.at("kind").get<std::string>()).value();
  event.pod_name = line.at("pod_name").get<std::string>();
  event.incarnation = Incarnation{line.at("incarnation").get<uint64_t>()};
  event.cause = history::Named<Cause>(line.value("cause", "NONE")).value();
  event.orphans = line.value("orphans", uint32_t{0});
  event.work_key = line.value("work_key", "");
  event.fence = Fence{line.value("fence", uint64_t{0})};
  event.previous_owner = Incarnation{line.value("previous_owner", uint64_t{0})};
  return event;
}

// A line of the log: null when it is something else.
Json Parsed(const Process::Line& line) {
  if (line.stream != Process::Stream::kOut) return nullptr;
  Json json = Json::parse(line.text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("pod_name") ? json : Json(nullptr);
}

}  // namespace

void EventsTail::Start() {
  const auto vigil = FindBuilt("vigil");
  ASSERT_TRUE(vigil) << vigil.error().message;
  std::string addresses;
  for (const std::string& address : addresses_) {
    addresses += (addresses.empty() ? "" : ",") + address;
  }
  std::vector<std::string> command = {*vigil, "--address", addresses, "-o",
                                      "json", "events",    "tail",    "--follow"};
  if (cursor_.empty()) {
    command.emplace_back("--oldest");
    history_.push_back({Now(), history::Opened{.start = history::FromOldest{}}});
  } else {
    command.insert(command.end(), {"--after", cursor_});
    const auto after = ParseCursor(cursor_, kNamespace);
    ASSERT_TRUE(after) << after.error().message;
    history_.push_back({Now(), history::Opened{.start = after->position}});
  }
  auto process = Process::Spawn({.command = std::move(command)});
  ASSERT_TRUE(process) << process.error().message;
  process_ = std::move(*process);
}

void EventsTail::Kill() {
  process_->Signal(SIGKILL);
  ASSERT_TRUE(process_->AwaitEnd(kToEnd));
  history::EventsTold batch;
  for (const Process::Line& line : process_->Lines()) Take(line, batch);
  history::Ended end;
  end.broken = true;
  history_.push_back({Now(), std::move(end)});
  process_.reset();
}

void EventsTail::Take(const Process::Line& line, history::EventsTold& batch) {
  if (line.stream == Process::Stream::kErr) remarks_.push_back(line.text);
  const Json json = Parsed(line);
  if (json.is_null()) return;
  batch.events.push_back(EventIn(json));
  if (!json.contains("cursor")) return;
  cursor_ = json.at("cursor").get<std::string>();
  const auto cursor = ParseCursor(cursor_, kNamespace);
  ASSERT_TRUE(cursor) << cursor.error().message;
  batch.position = cursor->position;
  history_.push_back({line.at, std::exchange(batch, {})});
}

bool EventsTail::AwaitSeq(Seq seq, Duration within) {
  if (const auto at = history::LastPosition(history_); at && at->seq >= seq) return true;
  return process_
      ->AwaitLine(
          [seq](const Process::Line& line) {
            const Json json = Parsed(line);
            return json.is_object() && json.contains("cursor") && EventIn(json).seq >= seq;
          },
          within)
      .has_value();
}

}  // namespace vigil
