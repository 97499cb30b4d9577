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
#include "pg/cluster_guardian.h"

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

// The guardian of a program that is not Postgres.
class GuardianTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    log_ = directory_ + "/log";
  }

  std::unique_ptr<ClusterGuardian> Guard(const std::vector<std::string>& command) {
    auto guardian = ClusterGuardian::Start(command, std::nullopt, directory_, log_);
    return guardian ? std::move(*guardian) : nullptr;
  }

  bool BecomesLogged(const std::string& line) {
    const SystemClock clock;
    const Instant limit = clock.Now() + seconds(20);
    std::string read;
    while (read != line && clock.Now() < limit) {
      poll(nullptr, 0, 5);
      std::ifstream log(log_);
      std::getline(log, read);
    }
    return read == line;
  }

 private:
  std::string directory_ = testing::TempDir() + "guarded-XXXXXX";
  std::string log_;
};

TEST_F(GuardianTest, Stop_ReachesAServerThatWasForkedJustNow) {
  const auto guardian = Guard({"/bin/sleep", "1000"});
  ASSERT_TRUE(guardian);
  for (int round = 0; round < 200; ++round) {
    const pid_t server = guardian->Launch();
    ASSERT_GT(server, 0);
    const Instant begun = SystemClock().Now();
    guardian->Stop(PrivateCluster::Shutdown::kImmediate);
    ASSERT_LT(SystemClock().Now() - begun, seconds(5)) << "lost in round " << round;
    ASSERT_TRUE(HasEnded(server));
  }
}

TEST_F(GuardianTest, Stop_KillsAServerThatDoesNotEnd) {
  const auto guardian = Guard({"/bin/sh", "-c", "trap '' QUIT; echo deaf; sleep 1000"});
  ASSERT_TRUE(guardian);
  const pid_t server = guardian->Launch();
  ASSERT_TRUE(BecomesLogged("deaf"));
  guardian->Stop(PrivateCluster::Shutdown::kImmediate);
  EXPECT_TRUE(HasEnded(server));
}

TEST(PrivateClusterTest, Start_GivesUpOnACreationThatTakesTooLong) {
  namespace fs = std::filesystem;
  std::string binaries = "/tmp/vigil-slow-XXXXXX";
  ASSERT_NE(mkdtemp(binaries.data()), nullptr);
  for (const char* program : {"initdb", "postgres"}) {
    std::ofstream(fs::path(binaries) / program) << "#!/bin/sh\nsleep 1000\n";
    fs::permissions(fs::path(binaries) / program, fs::perms(0755));
  }
  fs::permissions(binaries, fs::perms(0755));  // for the account that it runs as
  setenv("VIGIL_PG_BIN", binaries.c_str(), 1);
  const auto cluster = PrivateCluster::Start({.start_deadline = std::chrono::milliseconds(300)});
  unsetenv("VIGIL_PG_BIN");
  fs::remove_all(binaries);
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error().message, testing::HasSubstr("took too long"));
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
