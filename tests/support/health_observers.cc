#include "support/health_observers.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "grpc/health/v1/health.grpc.pb.h"
#include "http/ask.h"
#include "support/process.h"

namespace vigil {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using std::chrono::milliseconds;

constexpr Duration kPatience = std::chrono::seconds(5);
// Between two questions: often enough to see what lasts as long as one look at the health.
constexpr milliseconds kRest(10);

// Thread-safe.
class Journal {
 public:
  void Add(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++answers_;
    if (seen_.empty() || seen_.back().what != what) seen_.push_back({what, Now()});
  }
  std::vector<HealthSeen> Seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  size_t answers() const {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<HealthSeen> seen_;
  size_t answers_ = 0;
};

// Asks until it goes.
class Asking : public HealthObserver {
 public:
  explicit Asking(std::function<std::string()> ask)
      : thread_([this, ask = std::move(ask)] {
          std::unique_lock lock(mutex_);
          while (!stopping_) {
            lock.unlock();
            journal_.Add(ask());
            lock.lock();
            stopped_.wait_for(lock, kRest, [this] { return stopping_; });
          }
        }) {}
  ~Asking() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    thread_.join();
  }

  std::vector<HealthSeen> Seen() const override { return journal_.Seen(); }
  size_t answers() const override { return journal_.answers(); }

 private:
  Journal journal_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

// Is told.
class Watcher : public HealthObserver {
 public:
  Watcher(const std::string& address, const std::string& service)
      : stub_(grpc::health::v1::Health::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {
    HealthCheckRequest request;
    request.set_service(service);
    thread_ = std::thread([this, request] {
      const auto watch = stub_->Watch(&context_, request);
      HealthCheckResponse response;
      while (watch->Read(&response)) {
        journal_.Add(HealthCheckResponse::ServingStatus_Name(response.status()));
      }
      journal_.Add("ENDED");
    });
  }
  ~Watcher() override {
    context_.TryCancel();
    thread_.join();
  }

  std::vector<HealthSeen> Seen() const override { return journal_.Seen(); }
  size_t answers() const override { return journal_.answers(); }

 private:
  Journal journal_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
  grpc::ClientContext context_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<HealthObserver> HealthObserver::Probing(const std::string& address,
                                                        std::string target) {
  return std::make_unique<Asking>([address, target = std::move(target)] {
    const auto reply = Ask(address, target, kPatience);
    if (!reply) return "unanswered: " + reply.error().message;
    std::string seen = std::to_string(reply->status);
    const auto told = nlohmann::json::parse(reply->body, nullptr, false);
    if (told.is_object() && told.contains("check")) seen += " " + told["check"].get<std::string>();
    return seen;
  });
}

std::unique_ptr<HealthObserver> HealthObserver::Watching(const std::string& address,
                                                         const std::string& service) {
  return std::make_unique<Watcher>(address, service);
}

std::vector<std::string> HealthObserver::Course() const {
  std::vector<std::string> course;
  for (const HealthSeen& seen : Seen()) {
    const std::string what = seen.what.substr(0, seen.what.find(' '));
    if (course.empty() || course.back() != what) course.push_back(what);
  }
  return course;
}

bool HealthObserver::Await(const std::string& what, Duration within) const {
  const Instant deadline = Now() + within;
  for (;;) {
    const auto seen = Seen();
    if (!seen.empty() && seen.back().what == what) return true;
    if (Now() >= deadline) return false;
    poll(nullptr, 0, kRest.count());
  }
}

}  // namespace vigil
