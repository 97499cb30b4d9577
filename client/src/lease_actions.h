// What the keeper of a lease wants done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "vigil/boot_clock.h"
#include "vigil/error.h"
#include "vigil/types.h"

namespace vigil::client {

// The keeper's own number for one Session stream, never reused.
using StreamId = Number<struct StreamTag>;

// What the keeper wants done, in this order.
namespace action {

// Open a stream to the address of this index, with `Resume` as the first message, or `Register`.
struct Open {
  StreamId stream;
  std::size_t address;
  bool resume;
  // For a `Register`: under a registration id that was never used.
  bool new_registration;
  // On another connection than the one it was refused on, since that may lead to another
  // coordinator.
  bool anew = false;
};
struct Heartbeat {
  StreamId stream;
  std::uint64_t number;
};
// Ask whether the coordinator at the address of this index takes pods in, without giving anything
// up. What does not come within `patience` comes too late.
struct Inquire {
  std::size_t address;
  Duration patience;
  // On another connection than the host's. When the answer is yes, streams that are opened later
  // use it.
  bool anew = false;
};
struct Leave {
  StreamId stream;
};
// Say `Detach` and end the stream. Nothing that it says counts any more, except that the
// incarnation has ended.
struct Detach {
  StreamId stream;
  // As in Drop.
  bool unresponsive;
  // How long the coordinator has to read it, before the stream is cancelled.
  Duration linger;
};
// Cancel the stream. Whoever has confirmed it takes that for strong evidence of the pod's death.
struct Drop {
  StreamId stream;
  // It did not answer in time, so that its connection may be dead without saying so: do not use
  // that again.
  bool unresponsive;
};
// The state or the host changed; ask the keeper.
struct Announce {};
struct AnnounceWaiting {
  Incarnation incumbent;
};
// The leave is over, well or not.
struct LeaveDone {
  std::optional<Error> error;
};

}  // namespace action

using Action =
    std::variant<action::Open, action::Heartbeat, action::Inquire, action::Leave, action::Detach,
                 action::Drop, action::Announce, action::AnnounceWaiting, action::LeaveDone>;

}  // namespace vigil::client
