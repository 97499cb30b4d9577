#include "vigil/client.h"

#include "call.h"
#include "convert.h"
#include "core.h"
#include "credentials.h"
#include "own_error.h"

namespace vigil::client {

Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<Client> Client::Create(Options options) {
  const auto invalid = [](std::string_view message) {
    return tl::unexpected(
        MakeError(Code::kInvalidArgument, message, "Correct the options of the client."));
  };
  if (options.addresses.empty()) return invalid("a client needs at least one address");
  for (const std::string& address : options.addresses) {
    if (address.empty()) return invalid("an address is empty");
  }
  if (options.call_timeout <= Duration::zero() || options.attempt_timeout <= Duration::zero()) {
    return invalid("a timeout must be positive");
  }
  if (auto checked = Credentials::Check(options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  return Client(std::make_shared<Core>(std::move(options)));
}

Result<Pod> Client::GetPod(std::string_view ns, std::string_view name) const {
  v1::GetPodRequest request;
  request.set_namespace_(std::string(ns));
  request.set_name(std::string(name));
  return Call<v1::GetPodResponse>(*core_,
                                  [&](Link& link, auto& context, auto* response) {
                                    return link.pods->GetPod(&context, request, response);
                                  })
      .map([](const v1::GetPodResponse& response) { return FromProto(response.pod()); });
}

Result<PodPage> Client::ListPods(const PodQuery& query) const {
  v1::ListPodsRequest request;
  request.set_namespace_(query.ns);
  request.set_include_ended(query.include_ended);
  request.set_page_size(query.page_size);
  request.set_page_token(query.page_token);
  return Call<v1::ListPodsResponse>(*core_,
                                    [&](Link& link, auto& context, auto* response) {
                                      return link.pods->ListPods(&context, request, response);
                                    })
      .map([](const v1::ListPodsResponse& response) {
        return PodPage{FromProtos<Pod>(response.pods()), response.next_page_token()};
      });
}

const std::vector<std::string>& Client::addresses() const { return core_->channels.addresses(); }

}  // namespace vigil::client
