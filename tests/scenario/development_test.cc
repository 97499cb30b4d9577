// `vigild dev` leaves nothing behind.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "scenario.h"
#include "support/health.h"
#include "support/process.h"

namespace vigil {
namespace {

// What stands between `before` and `after` in a line that holds both, once there is one.
std::string AwaitBetween(Process& process, const std::string& before, const std::string& after) {
  std::string found;
  process.AwaitLine(
      [&](const Process::Line& line) {
        const size_t begin = line.text.find(before);
        if (begin == std::string::npos) return false;
        const size_t value = begin + before.size();
        const size_t end = line.text.find(after, value);
        if (end == std::string::npos) return false;
        found = line.text.substr(value, end - value);
        return true;
      },
      std::chrono::seconds(60));
  return found;
}

pid_t ParentOf(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("PPid:")) return std::stoi(line.substr(5));
  }
  return -1;
}

TEST(Development, ServerKilled_ItsPostgresIsGone) {
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  const auto spawned = Process::Spawn(
      {.command = {*vigild, "dev", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}});
  ASSERT_TRUE(spawned) << spawned.error().message;
  Process& server = **spawned;
  const std::string port = AwaitBetween(server, "listening on 127.0.0.1:", " ");
  ASSERT_TRUE(AwaitServing("127.0.0.1:" + port, kPatience)) << server.Transcript();
  const std::string directory = AwaitBetween(server, "psql -h ", " -p");
  ASSERT_TRUE(std::filesystem::exists(directory));
  pid_t postmaster = 0;
  std::ifstream(directory + "/data/postmaster.pid") >> postmaster;
  ASSERT_GT(postmaster, 0);
  const pid_t guardian = ParentOf(postmaster);

  server.Signal(SIGKILL);

  EXPECT_TRUE(AwaitGone(postmaster, kPatience));
  EXPECT_TRUE(AwaitGone(guardian, kPatience));
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(Development, TheCommandThatItShowsOpensItsDatabase) {
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  const auto server = Process::Spawn(
      {.command = {*vigild, "dev", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}});
  ASSERT_TRUE(server) << server.error().message;
  const std::string shown = AwaitBetween(**server, "    PGPASSWORD=", " postgres");
  const auto look = Process::Spawn(
      {.command = {"sh", "-c",
                   "PGPASSWORD=" + shown + " postgres -Atc 'SELECT count(*) FROM vigil.pods'"}});
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ((*look)->AwaitEnd(kPatience), 0) << (*look)->Transcript();
}

}  // namespace
}  // namespace vigil
