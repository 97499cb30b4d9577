// What `vigild doctor` looks at on this machine: settings, files and ports.
#pragma once

#include "app/config.h"
#include "app/finding.h"

namespace vigil {

// Whether the settings fit together, and what they mean for those who wait for a verdict.
void DiagnoseTiming(const Config& config, Findings& findings);

// TLS, and who may call: that the files can be read and are what they should be, and for how long.
void DiagnoseAccess(const Config& config, Findings& findings);

// Whether the ports are free, or serve already.
void DiagnosePorts(const Config& config, Findings& findings);

// Whether the process may open as many files as it would need.
void DiagnoseFiles(const Config& config, Findings& findings);

}  // namespace vigil
