// What a run of the scenarios measured, beside the bounds: printed at its end, a line for each
// thing of each scenario, and kept as JSON in the file that VIGIL_SCENARIO_RESULTS names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/clock.h"

namespace vigil {

// Whether the scenarios are played in full (VIGIL_SCENARIO=full), with the defaults of the server
// and as many rounds as the table of faults says; else what CI has time for, with shorter windows.
bool InFull();

template <typename T>
T FullOr(T in_full, T in_short) {
  return InFull() ? in_full : in_short;
}

// Takes down how long something took in the scenario that runs, and fails it when that is longer
// than the bound.
void ExpectWithin(const std::string& what, Duration took, Duration bound);

// Takes down how long something took for which there is no bound of its own.
void TakeDown(const std::string& what, Duration took);

// Takes down how often something happened in so many rounds that must never happen, and fails the
// scenario when it did.
void ExpectNone(const std::string& what, size_t times, int rounds = 1);

// Registers the printing with GoogleTest. Once, in main.
void ReportMeasurements();

}  // namespace vigil
