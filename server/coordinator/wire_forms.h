// A message in the forms that it has on the wire.
#pragma once

#include <any>
#include <memory>
#include <vector>

namespace vigil {

// Keeps what was made of one message: by the first who writes it, for all who are told the same.
// One thread at a time.
class WireForms {
 public:
  template <typename Form, typename Message>
  const Form& Of(const Message& message, Form (*make)(const Message&)) {
    for (const auto& form : made_) {
      if (const auto* made = std::any_cast<Form>(form.get())) return *made;
    }
    made_.push_back(std::make_unique<std::any>(make(message)));
    return std::any_cast<const Form&>(*made_.back());
  }

 private:
  std::vector<std::unique_ptr<std::any>> made_;
};

}  // namespace vigil
