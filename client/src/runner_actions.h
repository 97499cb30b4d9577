// What the rules of a runner want done.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "vigil/error.h"
#include "vigil/runner.h"
#include "vigil/types.h"
#include "vigil/work.h"

namespace vigil::client {

// One run of one item. Never reused.
using TaskId = Number<struct TaskTag>;
// One call whose answer the rules wait for. Never reused.
using QueryId = Number<struct QueryTag>;

// What a runner is to start.
struct WorkOrder {
  std::string key;
  std::string payload;
  WorkTraits traits;
};

// What the pod owns, by key.
struct OwnPage {
  std::map<std::string, Fence> fences;
  // Empty after the last page.
  std::string next_page_token;
};

namespace work_action {

// Begin the function, on a thread of its own, and tell that the item is owned. OnNotBegun answers
// it when that cannot be.
struct Run {
  TaskId task;
  Ownership ownership;
};
// Its stop token. When the item is lost, nothing may be sent for it from now on.
struct Fire {
  TaskId task;
  bool lost;
};
// Its function has returned: write this of it.
struct Finish {
  TaskId task;
  TaskResult result;
};
// Its function has returned, and there is nothing more to write.
struct Forget {
  TaskId task;
};

// Calls. Each is answered, well or not.
struct ClaimOrphans {
  QueryId query;
  std::uint32_t limit;
};
struct ListOwn {
  QueryId query;
  // From the page before; empty for the first.
  std::string page_token;
};
struct Fetch {
  QueryId query;
  std::string key;
};
struct Start {
  QueryId query;
  WorkOrder order;
};
struct Claim {
  QueryId query;
  std::string key;
  Incarnation expected_owner;
  Fence expected_fence;
};
// Of an item that was never run.
struct Release {
  QueryId query;
  std::string key;
  Fence fence;
};

// All functions have returned, or there is no pod.
struct Leave {
  Duration timeout;
};
struct ReportUnreturned {
  std::vector<std::string> keys;
};
struct Over {};

struct TellEnded {
  WorkItem item;
  TaskEnd end;
  std::optional<Error> why;
};
struct TellStandingBy {
  WorkItem item;
};
struct TellCompletedElsewhere {
  WorkItem item;
};
struct TellTrouble {
  Error why;
};

}  // namespace work_action

using WorkAction =
    std::variant<work_action::Run, work_action::Fire, work_action::Finish, work_action::Forget,
                 work_action::ClaimOrphans, work_action::ListOwn, work_action::Fetch,
                 work_action::Start, work_action::Claim, work_action::Release, work_action::Leave,
                 work_action::ReportUnreturned, work_action::Over, work_action::TellEnded,
                 work_action::TellStandingBy, work_action::TellCompletedElsewhere,
                 work_action::TellTrouble>;

}  // namespace vigil::client
