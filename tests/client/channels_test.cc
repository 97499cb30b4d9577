// Which connection a client uses, and who shares it.
#include "channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core.h"

namespace vigil::client {
namespace {

class ChannelsTest : public ::testing::Test {
 protected:
  Core core_{Client::Options{.addresses = {"127.0.0.1:1"}}};
  Channels& channels_ = core_.channels;
};

TEST_F(ChannelsTest, Another_IsOneForAllThatAsk) {
  const auto host = channels_.At(0);
  const auto asked = channels_.Another(0, host);
  EXPECT_NE(asked, host);
  EXPECT_EQ(channels_.Another(0, host), asked);
  EXPECT_EQ(channels_.At(0), host) << "nothing is given up by asking";
}

TEST_F(ChannelsTest, Another_IsTheOneThatOthersMovedTo) {
  const auto host = channels_.At(0);
  channels_.Adopt(0, channels_.Another(0, host));
  EXPECT_NE(channels_.At(0), host);
  EXPECT_EQ(channels_.Another(0, host), channels_.At(0));
}

TEST_F(ChannelsTest, Another_IsNoneThatWasDeclined) {
  const auto host = channels_.At(0);
  const auto first = channels_.Another(0, host);
  channels_.Decline(first);
  const auto second = channels_.Another(0, host);
  EXPECT_NE(second, first);
  EXPECT_NE(second, host);
  channels_.Adopt(0, second);
  channels_.Decline(second);
  EXPECT_EQ(channels_.At(0), second) << "who has a stream there knows best";
  EXPECT_NE(channels_.Another(0, host), second);
}

TEST_F(ChannelsTest, Another_IsNoneThatWasDistrusted) {
  const auto host = channels_.At(0);
  const auto asked = channels_.Another(0, host);
  channels_.Distrust(asked);
  EXPECT_NE(channels_.Another(0, host), asked);
  EXPECT_EQ(channels_.At(0), host);
}

// A coordinator that nobody has a stream to keeps no connection.
TEST_F(ChannelsTest, Another_IsKeptOnlyAsLongAsSomebodyAsksOnIt) {
  const auto host = channels_.At(0);
  std::weak_ptr<Link> asked = channels_.Another(0, host);
  EXPECT_TRUE(asked.expired());
}

}  // namespace
}  // namespace vigil::client
