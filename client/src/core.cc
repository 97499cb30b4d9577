#include "core.h"

#include <utility>

namespace vigil::client {
namespace {

std::size_t FirstAddress(const Client::Options& options, const Random& random) {
  if (!options.spread) return 0;
  return static_cast<std::size_t>(random() * static_cast<double>(options.addresses.size()));
}

}  // namespace

Core::Core(Client::Options the_options)
    : options(std::move(the_options)),
      random(SystemRandom()),
      channels(options.addresses, FirstAddress(options, random)) {}

}  // namespace vigil::client
