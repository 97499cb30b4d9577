#include "core/trust.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr Instant kStart{seconds(1000)};

// P7: trust is counted from the sending of what was answered, not from the answer.
TEST(TrustWindow, Holds_FromTheSending) {
  TrustWindow window(seconds(15));
  EXPECT_FALSE(window.Holds(kStart));
  window.Prove(kStart);  // Answered only ten seconds later, which makes no difference.
  EXPECT_TRUE(window.Holds(kStart + seconds(14)));
  EXPECT_FALSE(window.Holds(kStart + seconds(15)));
}

TEST(TrustWindow, Prove_AnOldAnswerTakesNothingBack) {
  TrustWindow window(seconds(15));
  window.Prove(kStart + seconds(5));
  window.Prove(kStart);
  EXPECT_TRUE(window.Holds(kStart + seconds(19)));
}

TEST(TrustWindow, Revoke_EndsIt) {
  TrustWindow window(seconds(15));
  window.Prove(kStart);
  window.Revoke();
  EXPECT_FALSE(window.Holds(kStart));
}

}  // namespace
}  // namespace vigil
