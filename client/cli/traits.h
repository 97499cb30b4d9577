// The options that say what a work item is, and who takes it over.
#pragma once

#include <CLI/App.hpp>

#include "vigil/work_item.h"

namespace vigil::client {

// `label` is the name of the option for the item's own labels.
void AddTraits(CLI::App& app, WorkTraits& traits, const char* label = "--label");

}  // namespace vigil::client
