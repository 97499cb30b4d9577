#include "store/postgres/log_listener.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"

namespace vigil {
namespace {

constexpr Duration kShortestPause = std::chrono::milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(2);
constexpr Duration kLasting = std::chrono::seconds(10);

// One that listens hears nothing of a server that was cut off or replaced: it has to ask.
constexpr Duration kAskInterval = std::chrono::seconds(2);

constexpr pg::Statement kListen{"listen", "LISTEN vigil_log"};

// From what kWake tells. Anybody may notify our channel: what is none of ours may mean anything.
std::optional<LogHead> LogHeadFrom(const std::string& payload) {
  LogHead head;
  const char* end = payload.data() + payload.size();
  const auto [rest, error] = std::from_chars(payload.data(), end, head.head.value);
  if (error != std::errc() || rest == end || *rest != ' ') return std::nullopt;
  head.ns.assign(rest + 1, end);
  return head;
}

}  // namespace

PostgresLogListener::PostgresLogListener(EventLoop& loop, pg::ConnectOptions options,
                                         Duration deadline, WakeUp wake_up)
    : loop_(loop),
      options_(std::move(options)),
      deadline_(deadline),
      wake_up_(std::move(wake_up)),
      pause_(kShortestPause) {
  Connect();
}

void PostgresLogListener::Connect() {
  connection_ = std::make_unique<pg::AsyncConnection>(loop_, options_, deadline_);
  connection_->Open([this](Result<void> opened) {
    if (!opened) {
      log::Failed("cannot listen to the log", opened.error());
      return Reconnect();
    }
    Listen();
  });
}

void PostgresLogListener::Listen() {
  connection_->OnNotification(
      [wake_up = wake_up_](const std::string& payload) { wake_up(LogHeadFrom(payload)); });
  connection_->OnLost([this](const Error& error) {
    log::Failed("the log's listener was lost", error);
    Reconnect();
  });
  connection_->Execute(kListen, {}, [this](Result<pg::Rows> listening) {
    if (!listening) return;  // lost, which is told next
    listening_since_ = clock_.Now();
    AskRegularly();
    const auto wake_up = wake_up_;  // it may destroy this
    wake_up(std::nullopt);
  });
}

void PostgresLogListener::AskRegularly() {
  timer_ = loop_.After(kAskInterval, [this] {
    connection_->Ping([this](const Result<void>& answered) {
      if (answered) AskRegularly();
    });
  });
}

void PostgresLogListener::Reconnect() {
  const bool lasted = listening_since_ != Instant{} && clock_.Now() - listening_since_ > kLasting;
  listening_since_ = {};
  if (lasted) pause_ = kShortestPause;
  std::uniform_int_distribution<Duration::rep> jitter(pause_.count() / 2, pause_.count());
  timer_ = loop_.After(Duration(jitter(random_)), [this] { Connect(); });
  pause_ = std::min(pause_ * 2, kLongestPause);
}

}  // namespace vigil
