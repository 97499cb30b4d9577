// What `vigild doctor` looks at in the database, with the eyes of the start where that looks, too.
#pragma once

#include "app/config.h"
#include "app/finding.h"

namespace vigil {

// Connects to each host of the connection string, and to the one that takes writes as a liveness
// session would; looks, and changes nothing but that it commits one record without meaning. Every
// question is bounded by the database's deadline; about a second is spent on the clocks.   (P11)
void DiagnoseDatabase(const Config& config, Findings& findings);

}  // namespace vigil
