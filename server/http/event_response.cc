#include "http/event_response.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "http/answer.h"
#include "http/event_text.h"

namespace vigil {
namespace {

using boost::system::error_code;

// The subscription writes one message at a time; only its end may come right behind one.
constexpr size_t kLongestQueue = 2;
// How long a client that does not read may take to hear of the end.
constexpr std::chrono::seconds kEndPatience(10);

constexpr std::string_view kHead =
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Accel-Buffering: no\r\n"  // nginx would wait for more
    "Connection: close\r\n";

class EventResponse : public std::enable_shared_from_this<EventResponse> {
 public:
  EventResponse(Peer peer, EventTerms terms)
      : peer_(std::move(peer)), terms_(std::move(terms)), patience_(peer_.context) {}

  void Begin();

  void Send(EventText text) {
    if (over_) return;
    if (waiting_.size() >= kLongestQueue) {
      Break();
      return;
    }
    waiting_.push_back(std::move(text));
    if (waiting_.size() == 1) WriteNext();
  }

  void End(std::optional<Error> error) {
    if (over_ || ending_) return;
    ending_ = true;
    error_ = std::move(error);
    patience_.expires_after(kEndPatience);
    patience_.async_wait([self = shared_from_this()](const error_code& aborted) {
      if (!aborted) self->Break();
    });
    if (waiting_.empty()) WriteEnd();
  }

  // Ends it at once, whatever is under way.
  void Break() {
    if (!Over()) return;
    error_code ignored;
    peer_.socket.close(ignored);
  }

 private:
  bool chunked() const { return terms_.version >= 11; }

  // The text as the next piece of the body.
  void AddPiece(std::string& to, std::string_view text) const {
    to += chunked() ? fmt::format("{:x}\r\n{}\r\n", text.size(), text) : std::string(text);
  }
  // What must stand before the first piece.
  std::string Opening();
  void WriteNext();
  void OnWritten(const error_code& error);
  void WriteEnd();
  // Tells the subscriptions, once; false when it was over before.
  bool Over();
  void Post(std::function<void(Subscriptions&, const Subscriptions::Stream&)> tell);

  Peer peer_;
  EventTerms terms_;
  boost::asio::steady_timer patience_;
  Subscriptions::Stream stream_;
  // The front is under way.
  std::deque<EventText> waiting_;
  std::string before_;
  bool begun_ = false;
  bool ending_ = false;
  bool over_ = false;
  std::optional<Error> error_;
};

// What the subscriptions hold: on their thread, and possibly for longer than there is a socket.
class SubscriberOverHttp final : public SubscriberStream {
 public:
  SubscriberOverHttp(HttpContext& context, std::weak_ptr<EventResponse> response)
      : context_(context), response_(std::move(response)) {}

  void Write(const SubscriberMessage& message) override {
    Post([text = ToEventText(message)](EventResponse& response) { response.Send(text); });
  }

  void End(std::optional<Error> error) override {
    Post([error = std::move(error)](EventResponse& response) { response.End(error); });
  }

  void Cancel() override {
    Post([](EventResponse& response) { response.Break(); });
  }

 private:
  template <typename Do>
  void Post(Do act) {
    boost::asio::post(context_, [weak = response_, act = std::move(act)] {
      if (const auto response = weak.lock()) act(*response);
    });
  }

  HttpContext& context_;
  const std::weak_ptr<EventResponse> response_;
};

void EventResponse::Begin() {
  stream_ = std::make_shared<SubscriberOverHttp>(peer_.context, weak_from_this());
  // Of a reset, and of the end of both directions; not of the end of the client's alone.
  peer_.socket.async_wait(HttpSocket::wait_error,
                          [self = shared_from_this()](const error_code& aborted) {
                            if (!aborted) self->Break();
                          });
  Post([request = std::move(terms_.request)](Subscriptions& subscriptions, const auto& stream) {
    subscriptions.Opened(stream, request);
  });
}

void EventResponse::Post(std::function<void(Subscriptions&, const Subscriptions::Stream&)> tell) {
  peer_.env.log_loop.Post([&subscriptions = peer_.env.subscriptions, stream = stream_,
                           tell = std::move(tell)] { tell(subscriptions, stream); });
}

std::string EventResponse::Opening() {
  if (std::exchange(begun_, true)) return "";
  std::string opening = fmt::format("HTTP/1.1 200 OK\r\n{}{}\r\n", kHead,
                                    chunked() ? "Transfer-Encoding: chunked\r\n" : "");
  AddPiece(opening, OpeningText(terms_.retry));
  return opening;
}

void EventResponse::WriteNext() {
  const std::string& text = *waiting_.front();
  before_ = Opening();
  if (chunked()) before_ += fmt::format("{:x}\r\n", text.size());
  const std::string_view after = chunked() ? "\r\n" : "";
  const std::array<boost::asio::const_buffer, 3> parts{
      boost::asio::buffer(before_), boost::asio::buffer(text), boost::asio::buffer(after)};
  boost::asio::async_write(
      peer_.socket, parts,
      [self = shared_from_this()](const error_code& error, size_t) { self->OnWritten(error); });
}

void EventResponse::OnWritten(const error_code& error) {
  if (over_) return;
  if (error) {
    Break();
    return;
  }
  waiting_.pop_front();
  Post([](Subscriptions& subscriptions, const auto& stream) { subscriptions.Written(stream); });
  if (!waiting_.empty()) {
    WriteNext();
  } else if (ending_) {
    WriteEnd();
  }
}

void EventResponse::WriteEnd() {
  if (error_ && !begun_ && !(terms_.comes_back && IsTemporary(*error_))) {
    before_ = ToText(Refusal(*error_), /*keep=*/false);
  } else {
    before_ = Opening();
    if (error_) AddPiece(before_, FailureText(*error_));
    if (chunked()) before_ += "0\r\n\r\n";
  }
  boost::asio::async_write(peer_.socket, boost::asio::buffer(before_),
                           [self = shared_from_this()](const error_code& error, size_t) {
                             if (error) {
                               self->Break();
                             } else if (self->Over()) {
                               CloseGently(std::move(self->peer_));
                             }
                           });
}

bool EventResponse::Over() {
  if (std::exchange(over_, true)) return false;
  patience_.cancel();
  error_code ignored;
  peer_.socket.cancel(ignored);
  Post([](Subscriptions& subscriptions, const auto& stream) { subscriptions.Ended(stream); });
  return true;
}

}  // namespace

void RespondWithEvents(Peer peer, EventTerms terms) {
  std::make_shared<EventResponse>(std::move(peer), std::move(terms))->Begin();
}

}  // namespace vigil
