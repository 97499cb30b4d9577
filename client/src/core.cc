#include "core.h"

#include <utility>

namespace vigil::client {
namespace {

// Whoever goes to "the next" address goes to a random one: those of a lost coordinator must not all
// come to the same other one.
Client::Options Spread(Client::Options options, const Random& random) {
  auto& addresses = options.addresses;
  for (std::size_t i = options.spread ? addresses.size() : 0; i > 1; --i) {
    const auto other = static_cast<std::size_t>(random() * static_cast<double>(i));
    std::swap(addresses[i - 1], addresses[other]);
  }
  return options;
}

}  // namespace

Core::Core(Client::Options the_options)
    : random(SystemRandom()),
      options(Spread(std::move(the_options), random)),
      channels(options.addresses, std::make_shared<Credentials>(options)) {}

}  // namespace vigil::client
