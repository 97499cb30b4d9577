// `vigild doctor`: what an operator's installation needs, looked at before it is missed.
#pragma once

#include "app/config.h"

namespace vigil {

enum class DoctorOutput { kText, kJson };

// Prints a line for everything that was looked at, with what to do where something is not well.
// The exit code: 0 when there is no error, 1 when there is.
int Diagnose(const Config& config, DoctorOutput output);

}  // namespace vigil
