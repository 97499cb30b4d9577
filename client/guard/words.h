// What the guardian says of things, in its progress.
#pragma once

#include <optional>
#include <string>

#include "guard/contender.h"
#include "guard/progress.h"
#include "vigil/error.h"
#include "vigil/pod_session.h"
#include "vigil/types.h"

namespace vigil::client {

template <class Tag>
std::string Text(Number<Tag> number) {
  return std::to_string(number.value());
}
std::string Text(const std::optional<Error>& why);

// Who the pod is, and where.
Progress::Fields HostFields(const Standing& standing);

void SayClaimed(const Progress& progress, const Ownership& ownership);
void SayPaused(const Progress& progress, const Pause& pause);
void SayWallClockJumped(const Progress& progress, Duration by);

}  // namespace vigil::client
