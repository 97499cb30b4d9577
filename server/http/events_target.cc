#include "http/events_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "core/cursor.h"
#include "core/errors.h"
#include "core/validate.h"
#include "http/query.h"

namespace vigil {
namespace {

std::string KnownKinds() {
  std::string names;
  for (const EventKind kind : kAllEventKinds) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", Name(kind));
  }
  return names;
}

// The parameters as they were given, before they are looked at together.
struct Parameters {
  std::optional<std::string> ns;
  std::optional<std::string> after;
  std::optional<std::string> from;
  EventFilter filter;
};

Result<void> Once(std::optional<std::string>& target, std::string_view name, std::string value) {
  if (target) return Fail(InvalidField(name, "must be given once"));
  target = std::move(value);
  return {};
}

Result<void> AddKinds(EventFilter& filter, std::string_view names) {
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    const std::string_view name = names.substr(begin, end - begin);
    begin = end + 1;
    const auto kind =
        std::ranges::find_if(kAllEventKinds, [&](EventKind one) { return Name(one) == name; });
    if (kind == std::end(kAllEventKinds)) {
      return Fail(InvalidField("kind", fmt::format("'{}' is none of {}", name, KnownKinds())));
    }
    filter.kinds.insert(*kind);
  }
  return {};
}

Result<void> AddLabel(EventFilter& filter, const std::string& label) {
  const size_t equals = label.find('=');
  if (equals == std::string::npos) return Fail(InvalidField("label", "must be KEY=VALUE"));
  const auto [entry, added] =
      filter.pod_labels.emplace(label.substr(0, equals), label.substr(equals + 1));
  if (!added) return Fail(InvalidField("label", "must be given once for each key"));
  return {};
}

Result<void> Take(Parameters& parameters, const std::string& name, std::string value) {
  if (name == "namespace") return Once(parameters.ns, "namespace", std::move(value));
  if (name == "after") return Once(parameters.after, "after", std::move(value));
  if (name == "from") return Once(parameters.from, "from", std::move(value));
  if (name == "kind") return AddKinds(parameters.filter, value);
  if (name == "label") return AddLabel(parameters.filter, value);
  return Fail(InvalidField(name, "must be one of namespace, after, from, kind and label"));
}

Result<SubscriptionStart> AfterCursor(std::string_view text, std::string_view ns) {
  auto cursor = ParseCursor(text, ns);
  if (!cursor) return Fail(std::move(cursor.error()));
  return std::move(*cursor);
}

Result<SubscriptionStart> StartOf(const Parameters& parameters) {
  if (parameters.after && parameters.from) {
    return Fail(InvalidField("from", "must not stand beside after"));
  }
  if (parameters.after) return AfterCursor(*parameters.after, *parameters.ns);
  if (!parameters.from || *parameters.from == "now") return FromNow{};
  if (*parameters.from == "oldest") return FromOldest{};
  return Fail(InvalidField("from", "must be now or oldest"));
}

}  // namespace

Result<SubscriptionRequest> ParseEventsTarget(std::string_view target,
                                              std::string_view last_event_id) {
  Parameters parameters;
  auto read = ReadParameters(QueryOf(target), [&](const std::string& name, std::string value) {
    return Take(parameters, name, std::move(value));
  });
  if (!read) return Fail(std::move(read.error()));
  auto checked = CheckNamespace(parameters.ns.value_or("")).and_then([&] {
    return CheckFilter(parameters.filter);
  });
  if (!checked) return Fail(std::move(checked.error()));
  auto start = StartOf(parameters);
  if (start && !last_event_id.empty()) start = AfterCursor(last_event_id, *parameters.ns);
  if (!start) return Fail(std::move(start.error()));
  return SubscriptionRequest{std::move(*parameters.ns), std::move(*start),
                             std::move(parameters.filter), Protocol::kHttp};
}

}  // namespace vigil
