// A subscriber that speaks gRPC itself: no library resumes, throttles or reads for it.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "history/history.h"

namespace vigil {

// One subscription on a connection of its own, and the history of what came.
//
// Thread safety: everything may be called from any thread. The destructor ends the stream and waits
// for its end.
class RawSubscriber {
 public:
  enum class Reading { kAlways, kNever };

  RawSubscriber(const std::string& address, const history::Start& start,
                Reading reading = Reading::kAlways);
  ~RawSubscriber();
  RawSubscriber(const RawSubscriber&) = delete;
  RawSubscriber& operator=(const RawSubscriber&) = delete;

  // One that never read reads from now on.
  void ReadOn();

  history::History History() const;

  // Waits until it was told everything up to this event, or its stream ended. False when it was not
  // told, or not within this time.
  bool AwaitSeq(Seq seq, Duration within);
  bool AwaitEnd(Duration within);

 private:
  class Stream;
  const std::unique_ptr<Stream> stream_;
};

}  // namespace vigil
