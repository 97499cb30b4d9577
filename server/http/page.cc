#include "http/page.h"

#include <string>

namespace vigil {
namespace {

// All that the page needs comes from where it came from itself.
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

}  // namespace

std::vector<Resource> PageResources() {
  std::vector<Resource> resources;
  for (const PageFile& file : PageFiles()) {
    resources.push_back(
        {std::string(file.path), [&file](const ResourceRequest&, const Resource::Reply& reply) {
           reply({.body = std::string(file.text),
                  .content_type = std::string(file.content_type),
                  .headers = {{"Content-Security-Policy", kPolicy},
                              {"X-Content-Type-Options", "nosniff"},
                              {"X-Frame-Options", "DENY"},
                              {"Referrer-Policy", "no-referrer"}}});
         }});
  }
  return resources;
}

}  // namespace vigil
