// One private cluster for all tests of this executable, and a fresh database for each.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "pg/connection.h"
#include "pg/private_cluster.h"

namespace vigil::pg {

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override;

  static PrivateCluster& cluster();
  // Of this test's own database.
  std::string conninfo() const;
  const std::string& database() const { return database_; }

  std::unique_ptr<Connection> Connect(Duration timeout = std::chrono::seconds(10)) const;
  static Instant In(Duration delay) { return SystemClock().Now() + delay; }

 private:
  std::string database_;
};

}  // namespace vigil::pg
