#include "base/memory_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "base/read_file.h"

namespace vigil {
namespace {

constexpr size_t kMost = 1 << 20;

TEST(MemoryFile, WhoReadsItMeanwhileFindsOneTextOrTheNext) {
  const std::string one(100'000, '1');
  const std::string two(200'000, '2');
  MemoryFile file;
  ASSERT_TRUE(file.Replace(one));
  const std::string path = file.path();
  std::atomic<bool> stop = false;
  size_t torn = 0;
  std::thread reader([&] {
    while (!stop) {
      const auto read = ReadFile(path, kMost);
      if (!read || (*read != one && *read != two)) ++torn;
    }
  });
  for (int turn = 0; turn < 500; ++turn) {
    ASSERT_TRUE(file.Replace(turn % 2 == 0 ? two : one));
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0U);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(ReadFile(path, kMost), one);
}

TEST(MemoryFile, IsForNobodyElseAndGoneWithTheObject) {
  std::string path;
  {
    MemoryFile file;
    ASSERT_TRUE(file.Replace("secret"));
    path = file.path();
    struct stat facts {};
    ASSERT_EQ(stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & (S_IRWXG | S_IRWXO), 0U);
    EXPECT_EQ(facts.st_nlink, 0U) << "it has a name somewhere";
  }
  EXPECT_FALSE(ReadFile(path, kMost));
}

}  // namespace
}  // namespace vigil
