// What a subscriber that does not read costs its coordinator.
#pragma once

#include "base/error.h"
#include "pg/private_cluster.h"

namespace vigil::bench {

// The most that the coordinator's memory grew, in bytes, while events went on until the subscriber
// was LAGGED: more than without it. It is the only one that waits, so that it shares the events
// with nobody. Against a coordinator with the limits that are its defaults, and with large events.
Result<double> MeasureSlowSubscriber(pg::PrivateCluster& postgres);

}  // namespace vigil::bench
