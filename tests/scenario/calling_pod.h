// A pod that works on items which others want as well, and tells of every call before it makes it
// and after it was answered: the test's own binary, in another mode.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "linearizability/calls.h"
#include "support/reporting_process.h"

namespace vigil {

// It registers, and makes calls by chance until it is killed or, by SIGTERM, leaves. When it is
// told that its incarnation has ended, it registers anew; before that, it does not look whether it
// has a lease.
//
// It reports `registered` (incarnation), `call` and `answer` (as linearizability/from_client.h has
// them).
struct CallingPod {
  std::vector<std::string> addresses;
  std::string name;
  bool strict = false;
  // In whole milliseconds.
  Duration lease = std::chrono::seconds(1);
  uint32_t seed = 1;
};

Result<std::unique_ptr<ReportingProcess>> RunCallingPod(const CallingPod& pod);

// What it has told until now. A call without an answer may have taken effect, or not.
std::vector<linearizability::Record> RecordsFrom(const ReportingProcess& pod,
                                                 const std::string& who);

// In main: the exit code, if this process was started to make calls.
std::optional<int> MakeCallsIfAsked(int argc, char** argv);

}  // namespace vigil
