// The raw echo that the steady state of a coordinator is compared with: the same streams of gRPC,
// on which every message is sent back as it came. It decodes nothing, and keeps no promise.
//
//   vigil_bench_raw_echo
//
// Prints "listening PORT" and serves Session until it is killed.
#include <grpcpp/support/byte_buffer.h>
#include <unistd.h>

#include <cstdio>

#include "raw_server.h"
#include "vigil/v1/pod_event_service.grpc.pb.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace {

using grpc::ByteBuffer;

// Reads the next message when the one before is sent. Deletes itself.
class Stream final : public grpc::ServerBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  Stream() { StartRead(&message_); }

  void OnReadDone(bool ok) override {
    if (ok) {
      StartWrite(&message_);
    } else {
      Finish(grpc::Status::OK);
    }
  }

  void OnWriteDone(bool /*ok*/) override { StartRead(&message_); }

  void OnDone() override { delete this; }

 private:
  ByteBuffer message_;
};

class Service final : public vigil::v1::PodRegistryService::WithRawCallbackMethod_Session<
                          vigil::v1::PodRegistryService::Service> {
 public:
  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* Session(grpc::CallbackServerContext*) override {
    return new Stream();
  }
};

}  // namespace

int main(int argc, char**) {
  if (argc != 1) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Service service;
  // Nobody calls these. But gRPC keeps a table of all rpcs for each connection, as a coordinator's.
  vigil::v1::PodEventService::CallbackService events;
  vigil::v1::WorkService::CallbackService work;
  const auto server = vigil::bench::ListenAsCoordinatorsDo({&service, &events, &work});
  if (!server) {
    std::fprintf(stderr, "vigil_bench_raw_echo: no port\n");
    return 1;
  }
  while (true) pause();
}
