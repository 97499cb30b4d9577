// The example of an application with tables of its own, paused in the middle of its work.
#include <csignal>
#include <fstream>
#include <sstream>

#include "scenario.h"

namespace vigil {
namespace {

using ::testing::AnyOf;

constexpr int kParcels = 60;

std::unique_ptr<Process> Pack(VigilCluster& cluster, const std::string& pod) {
  const auto program = FindBuilt("vigil_example_orders");
  EXPECT_TRUE(program) << program.error().hint;
  auto process = Process::Spawn({.command = {*program, cluster.address(0), pod, cluster.Conninfo(),
                                             "order-7", std::to_string(kParcels)}});
  EXPECT_TRUE(process) << process.error().message;
  return process ? std::move(*process) : nullptr;
}

bool AwaitParcel(Process& packer, const std::string& fence) {
  return packer
      .AwaitLine([&](const Process::Line& line) { return line.text.ends_with(", fence " + fence); },
                 kPatience)
      .has_value();
}

// P5
TEST_F(Scenario, PackerPaused_AnotherOneGoesOnAndEachParcelIsPackedOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  std::stringstream tables;
  tables << std::ifstream(VIGIL_SOURCE_DIR "/client/examples/orders.sql").rdbuf();
  ASSERT_TRUE(Database().Execute(tables.str() + "; INSERT INTO orders VALUES ('order-7')"));
  const auto first = Pack(cluster(), "packer-1");
  ASSERT_TRUE(first && AwaitParcel(*first, "1"));
  const auto second = Pack(cluster(), "packer-2");
  ExpectEvent("packer-2 lives", Of(client::EventKind::kPodRegistered, "packer-2"));

  first->Signal(SIGSTOP);
  EXPECT_TRUE(AwaitParcel(*second, "2"));
  first->Signal(SIGCONT);

  // It found itself LOST in time, or was FENCED.
  EXPECT_THAT(first->AwaitEnd(kPatience).value_or(-1), AnyOf(1, 4)) << first->Transcript();
  EXPECT_EQ(second->AwaitEnd(kPatience), 0) << second->Transcript();
  const auto checked = Database().Execute(
      "DO $$ BEGIN"
      "  ASSERT (SELECT count(*) FROM parcels) = 60;"
      "  ASSERT (SELECT max(number) FROM parcels WHERE contents = 'packed by packer-1')"
      "       < (SELECT min(number) FROM parcels WHERE contents = 'packed by packer-2');"
      "  ASSERT (SELECT max(number) FROM parcels) = 60;"
      "END $$");
  EXPECT_TRUE(checked) << checked.error().message;
}

}  // namespace
}  // namespace vigil
