#include "support/health.h"

#include <grpcpp/grpcpp.h>

#include <fstream>
#include <sstream>

#include "grpc/health/v1/health.grpc.pb.h"

namespace vigil {

namespace {

std::string TextOf(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsFor(const std::optional<client::Tls>& tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = TextOf(tls->ca_file),
                               .pem_private_key = TextOf(tls->key_file),
                               .pem_cert_chain = TextOf(tls->cert_file)});
}

}  // namespace

bool AwaitServing(const std::string& address, Duration within,
                  const std::optional<client::Tls>& tls) {
  using grpc::health::v1::HealthCheckResponse;
  const auto channel = grpc::CreateChannel(address, CredentialsFor(tls));
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(gpr_time_from_millis(
      std::chrono::duration_cast<std::chrono::milliseconds>(within).count(), GPR_TIMESPAN));
  const auto statuses = stub->Watch(&context, {});
  HealthCheckResponse status;
  bool serving = false;
  while (!serving && statuses->Read(&status)) {
    serving = status.status() == HealthCheckResponse::SERVING;
  }
  context.TryCancel();
  statuses->Finish();
  return serving;
}

}  // namespace vigil
