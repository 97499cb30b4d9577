// A private cluster lives exactly as long as its owner.
#include "pg/private_cluster.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cluster_test.h"

namespace vigil::pg {
namespace {

using std::chrono::seconds;

// Waits until the process is gone, and reports whether it is.
bool HasEnded(pid_t process) {
  const auto handle = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
  if (handle < 0) return true;
  pollfd entry{handle, POLLIN, 0};
  const bool ended = poll(&entry, 1, 20'000) == 1;
  close(handle);
  return ended;
}

bool BecomesAbsent(const std::string& path) {
  const SystemClock clock;
  const Instant limit = clock.Now() + seconds(20);
  while (std::filesystem::exists(path)) {
    if (clock.Now() > limit) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

TEST(PrivateClusterTest, Cluster_EndsWithItsObject) {
  auto cluster = PrivateCluster::Start({.fsync = false, .settings = {{"max_connections", "17"}}});
  ASSERT_TRUE(cluster) << cluster.error().message;
  const std::string directory = (*cluster)->directory();
  const pid_t postmaster = (*cluster)->postmaster();
  for (const std::string& conninfo : {(*cluster)->Conninfo(), (*cluster)->SocketConninfo()}) {
    constexpr Statement kShow{"show", "SELECT current_setting('max_connections')"};
    auto connection = Connection::Open({conninfo, "", {}}, SystemClock().Now() + seconds(10));
    ASSERT_TRUE(connection) << connection.error().error.message;
    auto rows = (*connection)
                    ->Execute({.steps = {{&kShow, {}}}, .changes = false},
                              SystemClock().Now() + seconds(10));
    EXPECT_EQ(rows->front()[0].Text(), "17");
  }
  cluster->reset();
  EXPECT_TRUE(HasEnded(postmaster));
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(PrivateClusterTest, Cluster_EndsWithItsKilledOwner) {
  int answer[2];
  ASSERT_EQ(pipe(answer), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    auto cluster = PrivateCluster::Start({.fsync = false});
    if (!cluster) _exit(1);
    const std::string line =
        std::to_string((*cluster)->postmaster()) + " " + (*cluster)->directory() + "\n";
    if (write(answer[1], line.data(), line.size()) < 0) _exit(1);
    for (;;) pause();
  }
  close(answer[1]);
  FILE* in = fdopen(answer[0], "r");
  int postmaster = 0;
  char directory[256] = "";
  const int read = fscanf(in, "%d %255s", &postmaster, directory);
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  ASSERT_EQ(read, 2);
  EXPECT_TRUE(HasEnded(postmaster));
  EXPECT_TRUE(BecomesAbsent(directory));
  fclose(in);
}

TEST(PrivateClusterTest, Restart_KeepsPortAndData) {
  auto cluster = PrivateCluster::Start({.fsync = false});
  ASSERT_TRUE(cluster) << cluster.error().message;
  ASSERT_TRUE((*cluster)->CreateDatabase("kept"));
  const int port = (*cluster)->port();
  for (const auto how : {PrivateCluster::Shutdown::kFast, PrivateCluster::Shutdown::kImmediate}) {
    const pid_t before = (*cluster)->postmaster();
    ASSERT_TRUE((*cluster)->Restart(how));
    EXPECT_NE((*cluster)->postmaster(), before);
    EXPECT_EQ((*cluster)->port(), port);
    EXPECT_TRUE(Connection::Open({(*cluster)->Conninfo("kept"), "", {}},
                                 SystemClock().Now() + seconds(10)));
  }
}

TEST(PrivateClusterTest, Start_SaysWhatToDoWithoutBinaries) {
  setenv("VIGIL_PG_BIN", "/nonexistent", 1);
  const auto cluster = PrivateCluster::Start();
  unsetenv("VIGIL_PG_BIN");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error().message, testing::HasSubstr("/nonexistent"));
  EXPECT_THAT(cluster.error().hint, testing::HasSubstr("unset"));
}

}  // namespace
}  // namespace vigil::pg
