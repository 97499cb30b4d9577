// A coordinator that is stopped may have sent half of what it was sending. What holds rows and keys
// until its end has come leaves in one piece.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "coordinator/conversations.h"
#include "coordinator/verdicts.h"
#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"

namespace {

// Of this thread.
thread_local int pieces = 0;

}  // namespace

// libpq calls this one instead of the C library's.
extern "C" ssize_t send(int socket, const void* bytes, size_t length, int flags) {
  static const auto next = reinterpret_cast<decltype(&send)>(dlsym(RTLD_NEXT, "send"));
  ++pieces;
  return next(socket, bytes, length, flags);
}

namespace vigil {
namespace {

using std::chrono::seconds;

class OnePiece : public testing::Test {
 protected:
  // The verdict, and when it is committed the wake-up, as a transaction of its own.
  static constexpr int kVerdictAndWakeUp = 2;

  OnePiece() {
    for (uint64_t number = 1; number <= kLargestVerdict; ++number) {
      pods_.push_back({{number}, {number}});
      suspicions_.push_back({{{number}, {number}}, {number}});
    }
  }

  // The first time a connection does it, the statements' texts go ahead.
  template <typename Verdict>
  int PiecesOf(const Verdict& verdict) {
    verdict();
    pieces = 0;
    verdict();
    return pieces;
  }

  TestDatabase test_database_;
  EventLoop loop_;
  PostgresDatabase database_{loop_, loop_, {.conninfo = test_database_.conninfo()}};
  std::unique_ptr<Store> store_ = database_.OpenStore(seconds(10));
  const std::string ns_ = std::string(63, 'n');
  const Observer observer_{{1}, {1}, std::string(100, 'i')};
  std::vector<HostedPod> pods_;
  std::vector<Suspicion> suspicions_;
};

TEST_F(OnePiece, AVerdictOnTheHostsEvidence) {
  EXPECT_EQ(PiecesOf([&] { store_->SuspectHosted(ns_, Cause::kStreamEnded, pods_); }),
            kVerdictAndWakeUp);
  EXPECT_EQ(PiecesOf([&] { store_->DeclareHosted(ns_, Cause::kStreamEnded, pods_); }),
            kVerdictAndWakeUp);
}

TEST_F(OnePiece, AVerdictOnWeakEvidence) {
  EXPECT_EQ(PiecesOf([&] { store_->SuspectFree(observer_, ns_, pods_); }), kVerdictAndWakeUp);
  EXPECT_EQ(PiecesOf([&] { store_->DeclareFree(observer_, ns_, suspicions_); }), kVerdictAndWakeUp);
}

// With tokens that are bound to an identity.
TEST_F(OnePiece, TheResumesOfPodsThatMoveTogether) {
  std::vector<ResumePod> resumes;
  for (size_t number = 1; number <= kMostResumed; ++number) {
    resumes.push_back({ns_, {number}, std::string(128, 't'), {1}, {number}, true});
  }
  EXPECT_EQ(PiecesOf([&] { store_->ResumeTogether(resumes); }), kVerdictAndWakeUp);
}

}  // namespace
}  // namespace vigil
