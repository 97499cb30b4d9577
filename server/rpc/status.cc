#include "rpc/status.h"

#include "access/disclosure.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace vigil {

grpc::Status ToStatus(const Error& refused) {
  const Error error = ForCallers(refused);
  google::rpc::ErrorInfo info;
  info.set_domain("vigil");
  info.set_reason(std::string(error.reason));
  for (const auto& [key, value] : error.metadata) (*info.mutable_metadata())[key] = value;
  (*info.mutable_metadata())["hint"] = error.hint;

  google::rpc::Status details;
  details.set_code(static_cast<int>(error.code));
  details.set_message(error.message);
  details.add_details()->PackFrom(info);
  return {static_cast<grpc::StatusCode>(error.code), error.message, details.SerializeAsString()};
}

}  // namespace vigil
