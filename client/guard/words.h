// What the guardian says of things, in its progress and to its command.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guard/progress.h"
#include "vigil/error.h"
#include "vigil/pod_session.h"
#include "vigil/runner.h"
#include "vigil/types.h"

namespace vigil::client {

template <class Tag>
std::string Text(Number<Tag> number) {
  return std::to_string(number.value());
}
std::string Text(const std::optional<Error>& why);

void SayWaitingForName(const Progress& progress, const std::string& name, Incarnation incumbent);
void SayRefused(const Progress& progress, const Error& why);
void SayRegistered(const Progress& progress, const Standing& standing);
void SayMoved(const Progress& progress, const Standing& standing);
void SayLost(const Progress& progress, const std::optional<Error>& why, Incarnation incarnation);
void SayStandingBy(const Progress& progress, const WorkItem& item);
// Started, or claimed.
void SayOwned(const Progress& progress, const Ownership& ownership);
void SayStarved(const Progress& progress, const std::string& command, pid_t group, Duration limit);
void SayTrouble(const Progress& progress, const Error& trouble);
void SayPaused(const Progress& progress, const Pause& pause);
void SayWallClockJumped(const Progress& progress, Duration by);

// Why a command that exited with this has failed, for the history of its item.
std::string ReasonOf(int code);
std::string ReasonOfStarved(Duration watchdog);

// What the command finds in its environment of its item and its pod.
std::map<std::string, std::string> CommandEnvironment(const std::vector<std::string>& addresses,
                                                      const WorkItem& item, const std::string& pod);

}  // namespace vigil::client
