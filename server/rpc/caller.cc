#include "rpc/caller.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <string>
#include <utility>

namespace vigil {
namespace {

// More names of one certificate are not looked at.   (P11)
constexpr size_t kMostNames = 64;

}  // namespace

Caller CallerOf(const grpc::CallbackServerContext& context) {
  Caller caller;
  if (const auto peer = context.auth_context()) {
    for (const char* kind :
         {GRPC_PEER_URI_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
      for (const grpc::string_ref& name : peer->FindPropertyValues(kind)) {
        std::string text(name.data(), name.size());
        auto& names = caller.certified;
        if (names.size() == kMostNames || std::ranges::find(names, text) != names.end()) continue;
        names.push_back(std::move(text));
      }
    }
  }
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  std::string authorization;
  for (auto it = first; it != last; ++it) {
    if (!authorization.empty()) authorization += ',';  // two are a token that nobody has
    authorization.append(it->second.data(), it->second.size());
  }
  caller.token = TokenFrom(authorization);
  return caller;
}

}  // namespace vigil
