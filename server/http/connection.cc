#include "http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>
#include <string>
#include <utility>

#include "http/event_response.h"
#include "http/query.h"

namespace vigil {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr uint32_t kLargestHead = 16 * 1024;
// What may have come behind a head: the client's next request.
constexpr size_t kReadAhead = 4 * 1024;
// Until a request is whole, and until an answer is written.
constexpr std::chrono::seconds kPatience(10);

constexpr std::string_view kLastEventId = "Last-Event-ID";

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Only probes are answered `only_probes`.
  Connection(Peer peer, const Reception& reception, bool only_probes)
      : peer_(std::move(peer)),
        reception_(reception),
        only_probes_(only_probes),
        deadline_(peer_.context) {}

  void ReadRequest();
  void Answer(const vigil::Answer& answer, bool keep);

 private:
  void SetDeadline();
  void StandInLine();
  void OnRequest(const error_code& error);
  void Take(const http::request<http::empty_body>& request);
  // Why this may not be followed, if it may not.
  std::optional<Error> Admit(SubscriptionRequest& request, std::string_view authorization) const;
  void Serve(const Resource& resource, const RequestHead& head, bool keep);
  void OnAnswered(const error_code& error, bool keep);
  void Close();

  Peer peer_;
  const Reception& reception_;
  const bool only_probes_;
  boost::asio::steady_timer deadline_;
  // A resource was asked, and nothing has been answered yet.
  bool owes_answer_ = false;
  boost::beast::flat_buffer buffer_{kLargestHead + kReadAhead};
  // A new one for each request.
  std::optional<http::request_parser<http::empty_body>> parser_;
  Line::Spot spot_;
  std::string written_;
  bool late_ = false;
  // The request at hand is HEAD.
  bool head_only_ = false;
};

void Connection::SetDeadline() {
  deadline_.expires_after(kPatience);
  deadline_.async_wait([self = shared_from_this()](const error_code& aborted) {
    if (aborted) return;
    self->late_ = true;
    error_code ignored;
    self->peer_.socket.cancel(ignored);
  });
}

void Connection::StandInLine() {
  spot_ = peer_.line.Join([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Close();
  });
}

void Connection::ReadRequest() {
  parser_.emplace();
  parser_->header_limit(kLargestHead);
  SetDeadline();
  StandInLine();
  http::async_read_header(
      peer_.socket, buffer_, *parser_,
      [self = shared_from_this()](const error_code& error, size_t) { self->OnRequest(error); });
}

void Connection::OnRequest(const error_code& error) {
  spot_.reset();
  deadline_.cancel();
  const bool begun = parser_->got_some() || buffer_.size() > 0;
  if (!error) {
    Take(parser_->get());
  } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    Answer(HeadTooLarge(), /*keep=*/false);
  } else if (late_ && begun) {
    Answer(RequestTooSlow(), /*keep=*/false);
  } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
             error != http::error::end_of_stream && error != http::error::partial_message) {
    Answer(NotHttp(error.message()), /*keep=*/false);
  } else {
    Close();
  }
}

void Connection::Take(const http::request<http::empty_body>& request) {
  const auto length = parser_->content_length();
  const auto text = [](const auto& view) { return std::string_view(view.data(), view.size()); };
  const RequestHead head{
      .method = text(request.method_string()),
      .target = text(request.target()),
      .version = request.version(),
      .hosts = request.count(http::field::host),
      .last_event_id = text(request[std::string(kLastEventId)]),
      .accepts = text(request[http::field::accept]),
      .has_body = request.count(http::field::transfer_encoding) > 0 || (length && *length > 0),
      .authorization = text(request[http::field::authorization]),
      .authorizations = request.count(http::field::authorization)};
  const bool keep = request.keep_alive() && !head.has_body && !only_probes_;
  head_only_ = head.wants_head_only();
  // Whoever may follow nothing is not told what is wrong with the request.
  if (head.path() == kEventsPath && head.authorizations < 2) {
    const auto known =
        peer_.env.access.AskAnywhere({.token = TokenFrom(head.authorization)}, Rpc::kSubscribe);
    if (!known) return Answer(Refusal(known.error()), keep);
  }
  Route route = RouteOf(head, peer_.env.resources);
  if (const auto* answer = std::get_if<vigil::Answer>(&route)) {
    Answer(*answer, keep);
  } else if (const auto* probe = std::get_if<Probe>(&route)) {
    Answer(reception_.probe(*probe), keep);
  } else if (only_probes_) {
    Answer(TooManyConnections(), keep);
  } else if (const auto* resource = std::get_if<const Resource*>(&route)) {
    Serve(**resource, head, keep);
  } else if (auto refusal = Admit(std::get<SubscriptionRequest>(route), head.authorization)) {
    Answer(Refusal(*refusal), keep);
  } else {
    RespondWithEvents(std::move(peer_), {.request = std::move(std::get<SubscriptionRequest>(route)),
                                         .version = head.version,
                                         .comes_back = head.comes_back(),
                                         .retry = reception_.retry(),
                                         .place = reception_.stream()});
  }
}

std::optional<Error> Connection::Admit(SubscriptionRequest& request,
                                       std::string_view authorization) const {
  const Access& access = peer_.env.access;
  if (access.insecure()) return std::nullopt;
  const auto permit = std::make_shared<Permit>(access, Caller{.token = TokenFrom(authorization)},
                                               Rpc::kSubscribe, request.ns);
  if (auto refusal = permit->Refusal()) return refusal;
  auto share = access.Take(ShareOf::kSubscriptions, permit->permission().name());
  if (!share) return std::move(share.error());
  request.refusal = [permit, share = std::move(*share)] { return permit->Refusal(); };
  return std::nullopt;
}

void Connection::Serve(const Resource& resource, const RequestHead& head, bool keep) {
  owes_answer_ = true;
  // Whose handler is what keeps this alive: a reply that is never given does not.
  deadline_.expires_after(kPatience);
  deadline_.async_wait([self = shared_from_this()](const error_code& aborted) {
    if (!aborted && std::exchange(self->owes_answer_, false)) {
      self->Answer(AnswerOverdue(), /*keep=*/false);
    }
  });
  const ResourceRequest request{.query = std::string(QueryOf(head.target)),
                                .caller = {.token = TokenFrom(head.authorization)}};
  resource.serve(request, [weak = weak_from_this(), keep](vigil::Answer answer) {
    auto self = weak.lock();
    if (!self) return;
    HttpContext& context = self->peer_.context;
    boost::asio::post(context, [self = std::move(self), answer = std::move(answer), keep] {
      if (std::exchange(self->owes_answer_, false)) self->Answer(answer, keep);
    });
  });
}

void Connection::Answer(const vigil::Answer& answer, bool keep) {
  written_ = ToText(answer, keep, std::exchange(head_only_, false));
  late_ = false;
  SetDeadline();
  StandInLine();
  boost::asio::async_write(peer_.socket, boost::asio::buffer(written_),
                           [self = shared_from_this(), keep](const error_code& error, size_t) {
                             self->OnAnswered(error, keep);
                           });
}

void Connection::OnAnswered(const error_code& error, bool keep) {
  spot_.reset();
  deadline_.cancel();
  if (error) {
    Close();
  } else if (keep) {
    ReadRequest();
  } else {
    CloseGently(std::move(peer_));
  }
}

void Connection::Close() {
  error_code ignored;
  peer_.socket.close(ignored);
}

}  // namespace

void ServeRequests(Peer peer, const Reception& reception) {
  std::make_shared<Connection>(std::move(peer), reception, /*only_probes=*/false)->ReadRequest();
}

void TurnAway(Peer peer, const Reception& reception) {
  std::make_shared<Connection>(std::move(peer), reception, /*only_probes=*/true)->ReadRequest();
}

}  // namespace vigil
