// Items that are wrong in one way each, made of right ones: what the checker must find.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "linearizability/calls.h"

namespace vigil::linearizability {

struct Mutant {
  std::string name;
  // These items, but for one mistake. It looks before it does something wrong, so that it may miss
  // a chance, but what it is asked to do right it does right.
  std::function<Items(Items)> of;
};

// A change by the owner, or a claim from it, with any fence.
Items IgnoresTheFence(Items items);
// A claim with the right fence, whoever is expected to be the owner.
Items IgnoresTheOwner(Items items);
// A claim from an owner that lives.
Items ClaimsFromTheLiving(Items items);

std::vector<Mutant> Mutants();

}  // namespace vigil::linearizability
