#include "http/pulse.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace vigil {
namespace {

constexpr std::chrono::seconds kInterval(1);
constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace

Pulse::Pulse(const Clock& clock, const std::vector<Scheduler*>& loops, HttpContext& context)
    : clock_(clock), context_(context), timer_(context) {
  for (Scheduler* scheduler : loops) loops_.push_back({*scheduler, std::nullopt});
}

void Pulse::Start() {
  Ask();
  timer_.expires_after(kInterval);
  timer_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) Start();
  });
}

void Pulse::Ask() {
  for (Loop& loop : loops_) {
    if (loop.asked) continue;
    loop.asked = clock_.Now();
    loop.scheduler.Post(
        [this, &loop] { boost::asio::post(context_, [&loop] { loop.asked = std::nullopt; }); });
  }
}

bool Pulse::AllTurn() const {
  const Instant now = clock_.Now();
  return std::ranges::all_of(
      loops_, [&](const Loop& loop) { return !loop.asked || now - *loop.asked < kPatience; });
}

}  // namespace vigil
