#include "status.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "vigil/v1/errors.pb.h"

namespace vigil::client {
namespace {

constexpr std::string_view kDomain = "vigil";
constexpr std::string_view kPrefix = "ERROR_REASON_";

static_assert(static_cast<int>(Reason::kFenced) == v1::ERROR_REASON_FENCED);
static_assert(static_cast<int>(Reason::kIdentityMismatch) == v1::ERROR_REASON_IDENTITY_MISMATCH);
static_assert(v1::ErrorReason_MAX == v1::ERROR_REASON_IDENTITY_MISMATCH, "error.h lacks a reason");

std::string_view DefaultHint(Code code) {
  switch (code) {
    case Code::kUnavailable:
      return "Check that a coordinator listens at the address, or give other addresses.";
    case Code::kDeadlineExceeded:
      return "Try again; look at the coordinator when it goes on.";
    case Code::kUnimplemented:
      return "Check that the address is a vigild, and that its version knows this call.";
    default:
      return "Look at the log of the coordinator.";
  }
}

// The first ErrorInfo of ours among the details.
bool FindErrorInfo(const grpc::Status& status, google::rpc::ErrorInfo& info) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return false;
  for (const auto& detail : details.details()) {
    if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info) && info.domain() == kDomain)
      return true;
  }
  return false;
}

}  // namespace

Error FromStatus(const grpc::Status& status) {
  Error error;
  error.code = static_cast<Code>(status.error_code());
  error.message = status.error_message();
  google::rpc::ErrorInfo info;
  if (FindErrorInfo(status, info)) {
    error.metadata = {info.metadata().begin(), info.metadata().end()};
    v1::ErrorReason reason{};
    if (v1::ErrorReason_Parse(std::string(kPrefix) + info.reason(), &reason)) {
      error.reason = static_cast<Reason>(reason);
    } else {
      error.reason = Reason::kUnrecognized;
      error.metadata["reason"] = info.reason();
    }
    error.hint = error.metadata["hint"];
  }
  if (error.hint.empty()) error.hint = DefaultHint(error.code);
  return error;
}

}  // namespace vigil::client
