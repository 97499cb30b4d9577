// What is installed is enough for somebody else's project.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/process.h"

namespace vigil::client {
namespace {

namespace fs = std::filesystem;

class PackageTest : public ::testing::Test {
 protected:
  PackageTest() {
    std::string name = (fs::temp_directory_path() / "vigil-package-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~PackageTest() override { fs::remove_all(directory_); }

  // Runs a command to its end, and returns what it printed.
  static std::string Run(std::vector<std::string> command) {
    auto process = Process::Spawn({.command = std::move(command)});
    if (!process) {
      ADD_FAILURE() << process.error().message;
      return {};
    }
    EXPECT_EQ((*process)->AwaitEnd(std::chrono::seconds(300)), 0) << (*process)->Transcript();
    std::string printed;
    for (const auto& line : (*process)->Lines()) printed += line.text + "\n";
    return printed;
  }

  fs::path directory_;
};

TEST_F(PackageTest, Package_IsAllThatAConsumerNeeds) {
  const std::string prefix = (directory_ / "prefix").string();
  const std::string build = (directory_ / "build").string();
  for (const char* directory : {"/proto", "/client"}) {
    Run({VIGIL_CMAKE, "--install", VIGIL_BUILD_DIRECTORY + std::string(directory), "--prefix",
         prefix});
  }
  Run({VIGIL_CMAKE, "-S", VIGIL_CONSUMER_DIRECTORY, "-B", build, "-G", VIGIL_GENERATOR,
       std::string("-DCMAKE_CXX_COMPILER=") + VIGIL_CXX_COMPILER,
       std::string("-DCMAKE_CXX_FLAGS=") + VIGIL_CXX_FLAGS, "-DCMAKE_PREFIX_PATH=" + prefix});
  Run({VIGIL_CMAKE, "--build", build});
  EXPECT_EQ(Run({build + "/consumer"}), "UNAVAILABLE\n");
}

// Nobody who includes our headers has to have grpc's or protobuf's.
TEST_F(PackageTest, Package_PublicHeadersHideGrpc) {
  for (const auto& entry : fs::directory_iterator(VIGIL_PUBLIC_HEADERS)) {
    const std::string dependencies =
        Run({VIGIL_CXX_COMPILER, "-std=c++20", "-I", std::string(VIGIL_PUBLIC_HEADERS) + "/..",
             "-M", "-x", "c++", entry.path()});
    EXPECT_EQ(dependencies.find("grpc"), std::string::npos) << entry.path();
    EXPECT_EQ(dependencies.find("protobuf"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace vigil::client
