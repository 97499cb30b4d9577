#include "core/event_filter.h"

#include <gtest/gtest.h>

#include "core/errors.h"

namespace vigil {
namespace {

Event Of(EventKind kind, std::map<std::string, std::string> labels = {}) {
  Event event;
  event.kind = kind;
  event.pod_labels = std::move(labels);
  return event;
}

TEST(EventFilter, Empty_PassesEverything) {
  EXPECT_TRUE(EventFilter{}.empty());
  EXPECT_TRUE(EventFilter{}.Passes(Of(EventKind::kWorkClaimed, {{"zone", "a"}})));
}

TEST(EventFilter, Kinds_AnyOfThem) {
  const EventFilter filter{.kinds = {EventKind::kPodDied, EventKind::kPodLeft}};
  EXPECT_TRUE(filter.Passes(Of(EventKind::kPodDied)));
  EXPECT_TRUE(filter.Passes(Of(EventKind::kPodLeft)));
  EXPECT_FALSE(filter.Passes(Of(EventKind::kPodMoved)));
}

TEST(EventFilter, Labels_AllOfThem) {
  const EventFilter filter{.pod_labels = {{"app", "web"}, {"zone", "a"}}};
  EXPECT_TRUE(
      filter.Passes(Of(EventKind::kPodDied, {{"app", "web"}, {"tier", "1"}, {"zone", "a"}})));
  EXPECT_FALSE(filter.Passes(Of(EventKind::kPodDied, {{"app", "web"}, {"zone", "b"}})));
  EXPECT_FALSE(filter.Passes(Of(EventKind::kPodDied, {{"app", "web"}})));
  Pod pod;
  pod.labels = {{"app", "web"}, {"zone", "a"}};
  EXPECT_TRUE(filter.Passes(pod));
}

// P11
TEST(EventFilter, LabelsBeyondTheirBounds_Refused) {
  EXPECT_TRUE(CheckFilter({.pod_labels = {{"app", "web"}}}));
  const auto checked = CheckFilter({.pod_labels = {{"app", std::string(256, 'x')}}});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, reason::kInvalidField);
}

}  // namespace
}  // namespace vigil
