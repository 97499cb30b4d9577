#include "support/store_world.h"

#include <asio/executor_work_guard.hpp>
#include <chrono>

namespace vigil {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr auto kTurn = std::chrono::milliseconds(5);

}  // namespace

StoreWorld::StoreWorld() {
  auto work = std::make_shared<asio::executor_work_guard<asio::io_context::executor_type>>(
      asio::make_work_guard(loop_.context()));
  release_ = [work] { work->reset(); };
}

StoreWorld::~StoreWorld() { release_(); }

bool StoreWorld::TurnUntil(const std::function<bool()>& condition) {
  SystemClock clock;
  Instant deadline = clock.Now() + kPatience;
  while (!condition()) {
    if (clock.Now() > deadline) return false;
    loop_.context().run_one_for(kTurn);
  }
  return true;
}

void StoreWorld::Turn() {
  while (loop_.context().poll_one() > 0) {
  }
}

}  // namespace vigil
