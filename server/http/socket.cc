#include "http/socket.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace vigil {
namespace {

using boost::system::error_code;

constexpr std::chrono::seconds kPatience(2);
constexpr size_t kMostBytes = 256 * 1024;

// Keeps itself alive as long as it reads.
class Farewell : public std::enable_shared_from_this<Farewell> {
 public:
  explicit Farewell(Peer peer) : peer_(std::move(peer)), timer_(peer_.context, kPatience) {}

  void Begin() {
    error_code ignored;
    spot_ = peer_.line.JoinFirst([weak = weak_from_this()] {
      error_code unused;
      if (const auto self = weak.lock()) self->peer_.socket.close(unused);
    });
    peer_.socket.shutdown(HttpSocket::shutdown_send, ignored);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      error_code unused;
      if (!error) self->peer_.socket.close(unused);
    });
    Read();
  }

 private:
  void Read() {
    peer_.socket.async_read_some(
        boost::asio::buffer(unwanted_),
        [self = shared_from_this()](const error_code& error, size_t bytes) {
          self->read_ += bytes;
          if (error || self->read_ > kMostBytes) {
            self->timer_.cancel();
          } else {
            self->Read();
          }
        });
  }

  Peer peer_;
  Line::Spot spot_;
  boost::asio::steady_timer timer_;
  std::array<char, 4096> unwanted_{};
  size_t read_ = 0;
};

}  // namespace

Line::Spot Line::Join(std::function<void()> close) {
  return Leaving(waiting_.insert(waiting_.end(), std::move(close)));
}

Line::Spot Line::JoinFirst(std::function<void()> close) {
  return Leaving(waiting_.insert(waiting_.begin(), std::move(close)));
}

Line::Spot Line::Leaving(Waiting::iterator where) {
  return {nullptr, [this, where](void*) { waiting_.erase(where); }};
}

void Line::CloseFirst() { waiting_.front()(); }

void CloseGently(Peer peer) { std::make_shared<Farewell>(std::move(peer))->Begin(); }

}  // namespace vigil
