// A whole server in the test's process, on a port and a database of its own, and raw stubs to it.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <string>

#include "app/server.h"
#include "google/rpc/error_details.pb.h"
#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace vigil {

class TestServer {
 public:
  explicit TestServer(const std::string& conninfo, CoordinatorSettings settings = {},
                      size_t http_connections = 100,
                      Duration database_deadline = std::chrono::seconds(5),
                      pg::Names names = pg::Names());
  ~TestServer();

  // Waits until the health service says SERVING. False: it did not in time.
  bool WaitUntilReady();

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  int http_port() const { return server_.http_port(); }
  // Drains, as SIGTERM does.
  void Stop() { server_.Stop(); }
  v1::PodRegistryService::Stub& pods() { return *pods_; }
  v1::PodEventService::Stub& events() { return *events_; }
  v1::WorkService::Stub& work() { return *work_; }

 private:
  EventLoop loop_;
  EventLoop log_loop_;
  PostgresDatabase database_;
  Server server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::PodRegistryService::Stub> pods_;
  std::unique_ptr<v1::PodEventService::Stub> events_;
  std::unique_ptr<v1::WorkService::Stub> work_;
};

// A context whose deadline is far enough for any machine.
std::unique_ptr<grpc::ClientContext> InTime();

// The ErrorInfo of a status; empty when it carries none.
google::rpc::ErrorInfo InfoOf(const grpc::Status& status);

// The pod of this name in the namespace `default`, as the server tells it; empty when it does not.
grpc::Status GetPod(TestServer& server, const std::string& name, v1::Pod* pod = nullptr);

// The first message of a pod that registers, each time with another registration id.
v1::SessionRequest Registration(const std::string& name, v1::Profile profile = v1::PROFILE_FAST);

// The first message of a pod that comes back.
v1::SessionRequest Resumption(const v1::Registered& registered);

// A pod that speaks the contract by hand.
class RawPod {
 public:
  // Registers and confirms its session with a heartbeat, and fails the test when that fails.
  RawPod(TestServer& server, const std::string& name, v1::Profile profile = v1::PROFILE_FAST);
  // Resumes, in the same way.
  RawPod(TestServer& server, const v1::Registered& registered);

  uint64_t incarnation() const { return registered_.pod().incarnation(); }
  const v1::Registered& registered() const { return registered_; }

  // One heartbeat; whether it was answered with a lease.
  bool Beat();
  void Leave();
  // Breaks the stream without a word.
  void Break();
  // Waits for the end and returns its status.
  grpc::Status End();

 private:
  std::unique_ptr<grpc::ClientContext> context_ = InTime();
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
  v1::Registered registered_;
  uint64_t heartbeats_ = 0;
};

// An item that the pod starts, in the namespace `default`; fails the test when it does not.
v1::WorkItem StartWork(TestServer& server, const RawPod& pod, const std::string& key);

// Registers the pod `newcomer` again and again, which leaves as soon as it is let in, until the
// answer has this code; `pod` beats on meanwhile. The last answer.
grpc::Status AwaitAnswer(TestServer& server, RawPod& pod, grpc::StatusCode code);

}  // namespace vigil
