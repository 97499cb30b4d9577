#include "cluster_test.h"

namespace vigil::pg {
namespace {

class SharedCluster : public testing::Environment {
 public:
  void TearDown() override { cluster.reset(); }
  static std::unique_ptr<PrivateCluster> cluster;
};

std::unique_ptr<PrivateCluster> SharedCluster::cluster;
testing::Environment* const kShared = testing::AddGlobalTestEnvironment(new SharedCluster);

int databases = 0;

}  // namespace

PrivateCluster& ClusterTest::cluster() {
  if (SharedCluster::cluster == nullptr) {
    auto started = PrivateCluster::Start({.fsync = false});
    if (!started) {
      ADD_FAILURE() << started.error().message << " " << started.error().hint;
      std::abort();
    }
    SharedCluster::cluster = std::move(*started);
  }
  return *SharedCluster::cluster;
}

void ClusterTest::SetUp() {
  database_ = "test_" + std::to_string(++databases);
  const auto created = cluster().CreateDatabase(database_);
  ASSERT_TRUE(created) << created.error().message;
}

std::string ClusterTest::conninfo() const { return cluster().Conninfo(database_); }

std::unique_ptr<Connection> ClusterTest::Connect(Duration timeout) const {
  auto connection =
      Connection::Open({conninfo(), "test", SettingsForRequests(timeout)}, In(timeout));
  if (!connection) {
    ADD_FAILURE() << connection.error().error.message;
    return nullptr;
  }
  return std::move(*connection);
}

}  // namespace vigil::pg
