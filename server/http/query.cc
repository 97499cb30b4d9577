#include "http/query.h"

#include <charconv>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "core/validate.h"

namespace vigil {
namespace {

// What percent-encoding and `+` for a space stand for; nothing when they are malformed.
std::optional<std::string> Decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    uint8_t byte = 0;
    const char* const end = digits.data() + digits.size();
    const auto [read, error] = std::from_chars(digits.data(), end, byte, 16);
    if (digits.size() != 2 || error != std::errc() || read != end) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

}  // namespace

std::string_view Cut(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

std::string_view QueryOf(std::string_view target) {
  Cut(target, '?');
  return target;
}

Result<void> ReadParameters(
    std::string_view query,
    const std::function<Result<void>(const std::string& name, std::string value)>& take) {
  while (!query.empty()) {
    std::string_view rest = Cut(query, '&');
    if (rest.empty()) continue;
    const auto name = Decode(Cut(rest, '='));
    auto value = Decode(rest);
    if (!name || !value) {
      return Fail(InvalidField(name.value_or("query"), "must be percent-encoded: %XX"));
    }
    if (auto taken = take(*name, std::move(*value)); !taken) return taken;
  }
  return {};
}

Result<std::string> NamespaceFrom(std::string_view query) {
  std::optional<std::string> ns;
  auto read = ReadParameters(query, [&](const std::string& name, std::string value) {
    if (name != "namespace") return Result<void>(Fail(InvalidField(name, "must be namespace")));
    if (ns) return Result<void>(Fail(InvalidField("namespace", "must be given once")));
    ns = std::move(value);
    return Result<void>();
  });
  if (!read) return Fail(std::move(read.error()));
  if (!ns || ns->empty()) return "default";
  if (auto checked = CheckNamespace(*ns); !checked) return Fail(std::move(checked.error()));
  return std::move(*ns);
}

}  // namespace vigil
