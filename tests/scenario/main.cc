// The scenarios, and the pods that play in them.
#include <gmock/gmock.h>

#include "calling_pod.h"
#include "measured.h"
#include "mortal_crowd.h"
#include "output_writer.h"
#include "scripted_pod.h"
#include "support/network_namespace.h"

int main(int argc, char** argv) {
  for (const auto play : {vigil::PlayIfAsked, vigil::PlayCrowdIfAsked, vigil::PlayWriterIfAsked,
                          vigil::MakeCallsIfAsked}) {
    if (const auto exit_code = play(argc, argv)) return *exit_code;
  }
  ::testing::InitGoogleMock(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests)) {
    // Without the right to, the scenarios that need it say so, and the others go on.
    static_cast<void>(vigil::EnterOwnNetwork());
  }
  vigil::ReportMeasurements();
  return RUN_ALL_TESTS();
}
