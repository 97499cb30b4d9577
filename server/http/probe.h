// What orchestrators and operators ask about the health of the coordinator: /livez and /readyz.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "core/health.h"
#include "http/answer.h"

namespace vigil {

inline constexpr std::string_view kLivePath = "/livez";
inline constexpr std::string_view kReadyPath = "/readyz";

struct Probe {
  // kBrief is one line of JSON, which names the first check that fails. The others hold the checks:
  // a line each for people, with a hint under each that fails, or JSON. /livez tells of those that
  // it needs; /readyz of all, and warns of those that fail and are only needed by others.
  enum class Form { kBrief, kLines, kJson };

  Sign sign = Sign::kLive;
  Form form = Form::kBrief;

  bool operator==(const Probe&) const = default;
};

// Of a request for this target that accepts this. Nothing when its path is none of the two. Error
// INVALID_FIELD: a parameter other than `verbose`.
std::optional<Result<Probe>> ParseProbe(std::string_view target, std::string_view accepts);

// 200 for yes and 503 for no, in every form.
Answer AnswerTo(const Probe& probe, const Health& health);

}  // namespace vigil
