// When a subscription looks for another coordinator because its own does not read the log, without
// a network or a clock.
#pragma once

#include <algorithm>
#include <utility>

#include "backoff.h"
#include "vigil/boot_clock.h"

namespace vigil::client {

// A coordinator that has not read the log for the tolerance is no good to follow, unless nobody has
// anything better to offer: the others are asked first, ever more seldom in an outage that concerns
// all of them. Two coordinators that take turns at reading must not play ball with a subscription:
// it moves at most once in kBetweenMoves, however well the log was read in between.
//
// Thread: none of its own; one caller at a time. `now` never goes back.
class ReadingWatch {
 public:
  static constexpr Duration kBetweenMoves = std::chrono::seconds(30);
  static constexpr Duration kFirstPause = std::chrono::seconds(5);
  static constexpr Duration kLongestPause = std::chrono::seconds(30);

  ReadingWatch(Duration tolerance, Random random)
      : tolerance_(tolerance), random_(std::move(random)) {}

  // A new stream has said nothing yet; events prove that the log is read.
  void OnRead() {
    unread_ = false;
    questions_ = 0;
    next_question_ = {};
  }
  void OnPosition(Duration read_age) {
    if (read_age <= tolerance_) return OnRead();
    unread_ = true;
  }
  void OnAsked(Time now) {
    next_question_ = now + Backoff(kFirstPause, kLongestPause, questions_, random_);
    questions_ = std::min(questions_ + 1, kManyQuestions);
  }
  void OnMove(Time now) { next_move_ = now + kBetweenMoves; }

  // Whether to move to a coordinator that reads the log.
  bool WantsToMove(Time now) const { return unread_ && now >= next_move_; }
  // Whether to ask the others whether they do.
  bool WantsToAsk(Time now) const { return WantsToMove(now) && now >= next_question_; }

 private:
  // From here on the pause has its full length; more need not be counted.
  static constexpr unsigned kManyQuestions = 16;

  const Duration tolerance_;
  const Random random_;
  bool unread_ = false;
  unsigned questions_ = 0;
  Time next_question_{};
  Time next_move_{};
};

}  // namespace vigil::client
