// Whether the loops of the process turn.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "http/socket.h"

namespace vigil {

// Asks each loop for a sign of life, again as soon as the last one came, but once a second; one
// that has not answered for 10 s does not turn.
//
// Runs on the HTTP thread.
class Pulse {
 public:
  Pulse(const Clock& clock, const std::vector<Scheduler*>& loops, HttpContext& context);

  void Start();
  void Stop() { timer_.cancel(); }

  bool AllTurn() const;

 private:
  struct Loop {
    Scheduler& scheduler;
    // Since when it has been asked without an answer.
    std::optional<Instant> asked;
  };

  void Ask();

  const Clock& clock_;
  HttpContext& context_;
  boost::asio::steady_timer timer_;
  std::vector<Loop> loops_;
};

}  // namespace vigil
