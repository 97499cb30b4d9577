// The file of settings that --config names.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "app/config.h"

namespace vigil {

// Reads a line `NAME = VALUE` for each setting, in any order; blank lines and lines that begin with
// # say nothing. A value may stand in double quotes, which are taken away, and nothing in it is
// escaped. Settings of which `given` says yes were given by a flag or a variable, which win: they
// are checked and not taken.
//
// Error when the file cannot be read or is larger than 64 KiB, or when a line is not of that form,
// names no setting or one twice, or has a value that the setting does not take. It names the file
// and the line, and quotes no value: what lost its name may be the connection string.
Result<void> ReadSettingsFile(const std::string& path,
                              const std::function<bool(std::string_view name)>& given,
                              Config& config);

}  // namespace vigil
