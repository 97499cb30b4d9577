// The scenarios, and the pods that play in them.
#include <gmock/gmock.h>

#include "measured.h"
#include "scripted_pod.h"

int main(int argc, char** argv) {
  if (const auto exit_code = vigil::PlayIfAsked(argc, argv)) return *exit_code;
  ::testing::InitGoogleMock(&argc, argv);
  vigil::ReportMeasurements();
  return RUN_ALL_TESTS();
}
