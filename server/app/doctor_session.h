// What `vigild doctor` asks PostgreSQL itself, in one session.
#pragma once

#include <cstdint>

#include "app/config.h"
#include "app/finding.h"

namespace vigil {

// What is there now.
struct ServerUse {
  // At least one: the one that is to be.
  int64_t coordinators = 1;
  int64_t connections = 0;
};

// The rights of the role, whether commits are acknowledged and survive, and how the clock there
// runs beside the one here.
ServerUse DiagnoseSession(const Config& config, Findings& findings);

}  // namespace vigil
