#include "rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <mutex>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace vigil {
namespace {

constexpr std::chrono::minutes kPeriod(1);
constexpr int kMostLines = 10;
constexpr size_t kLongestText = 200;

class Complaints {
 public:
  void Take(std::string_view text) {
    std::lock_guard lock(mutex_);
    const Instant now = clock_.Now();
    if (now >= begun_ + kPeriod) {
      begun_ = now;
      lines_ = 0;
    }
    if (lines_ == kMostLines) {
      ++left_out_;
      return;
    }
    ++lines_;
    log::Warning("gRPC complains.",
                 {{"text", text.substr(0, kLongestText)}, {"left_out_before", left_out_}});
    left_out_ = 0;
  }

 private:
  const SystemClock clock_;
  std::mutex mutex_;
  Instant begun_{};  // guarded by mutex_, as are these
  int lines_ = 0;    // since then
  int left_out_ = 0;
};

void OnComplaint(gpr_log_func_args* complaint) {
  static Complaints complaints;
  complaints.Take(complaint->message);
}

}  // namespace

void TakeOverGrpcLog() { gpr_set_log_function(OnComplaint); }

}  // namespace vigil
