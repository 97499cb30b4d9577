// Outgoing messages of a stream: one write under way, the rest waiting in order, the end last.
#pragma once

#include <grpcpp/support/status.h>

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "access/rights.h"
#include "core/measures.h"

namespace vigil {

// Serves one gRPC server reactor, which passes its OnWriteDone on. Any thread; decides under its
// lock, and acts on the reactor after it.
template <typename Reactor, typename Response>
class StreamWriter {
 public:
  // The end is counted as that of `rpc`.
  StreamWriter(Reactor& reactor, Measures& measures, Rpc rpc)
      : reactor_(reactor), measures_(measures), rpc_(rpc) {}

  // False when `limit` messages wait already: the peer does not read.   (P11)
  [[nodiscard]] bool Write(Response response, size_t limit) {
    const Response* first = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (end_ || broken_) return true;
      if (waiting_.size() >= limit) return false;
      waiting_.push_back(std::move(response));
      if (waiting_.size() > 1) return true;
      first = &waiting_.front();
    }
    reactor_.StartWrite(first);
    return true;
  }

  // Ends the stream once everything is written. Only the first end counts.
  void Finish(grpc::Status status) {
    {
      std::lock_guard lock(mutex_);
      if (end_) return;
      end_ = std::move(status);
      measures_.Answered(RightOf(rpc_).name, end_->error_code());
      if (!waiting_.empty()) return;
    }
    reactor_.Finish(*end_);
  }

  void OnWriteDone(bool ok) {
    const Response* next = nullptr;
    {
      std::lock_guard lock(mutex_);
      waiting_.pop_front();
      if (!ok) {
        broken_ = true;
        waiting_.clear();
      }
      if (!waiting_.empty()) {
        next = &waiting_.front();
      } else if (!end_) {
        return;
      }
    }
    if (next) {
      reactor_.StartWrite(next);
    } else {
      reactor_.Finish(*end_);
    }
  }

 private:
  Reactor& reactor_;
  Measures& measures_;
  const Rpc rpc_;
  std::mutex mutex_;
  // The front is under way. References to it stay valid while others are added behind.
  std::deque<Response> waiting_;     // guarded by mutex_
  std::optional<grpc::Status> end_;  // guarded by mutex_ until set
  bool broken_ = false;              // guarded by mutex_
};

}  // namespace vigil
