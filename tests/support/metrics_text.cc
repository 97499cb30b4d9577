#include "support/metrics_text.h"

#include <cstdlib>
#include <sstream>

namespace vigil {
namespace {

// The names of the labels of a series, separated by ", ", as the catalogue has them.
std::string LabelsOf(const std::string& series) {
  std::string labels;
  size_t at = series.find('{');
  while (at != std::string::npos && series[at] != '}') {
    const size_t equals = series.find('=', at);
    const std::string name = series.substr(at + 1, equals - at - 1);
    if (name != "le") labels += (labels.empty() ? "" : ", ") + name;
    at = series.find('"', equals + 2) + 1;
  }
  return labels;
}

std::string FamilyOf(const std::string& series, const std::map<std::string, std::string>& types) {
  const std::string name = series.substr(0, series.find('{'));
  for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
    if (!name.ends_with(suffix)) continue;
    const std::string family = name.substr(0, name.size() - suffix.size());
    const auto found = types.find(family);
    if (found != types.end() && found->second == "histogram") return family;
  }
  return name;
}

}  // namespace

MetricsText::MetricsText(const std::string& text) {
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      const size_t end = line.find(' ', 7);
      types_[line.substr(7, end - 7)] = line.substr(end + 1);
    } else if (!line.starts_with("#") && !line.empty()) {
      const size_t end = line.rfind(' ');
      const std::string series = line.substr(0, end);
      values_[series] = std::strtod(line.c_str() + end, nullptr);
      labels_[FamilyOf(series, types_)].insert(LabelsOf(series));
    }
  }
}

std::optional<double> MetricsText::Value(const std::string& series) const {
  const auto found = values_.find(series);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

double MetricsText::Sum(const std::string& name) const {
  double sum = 0;
  for (const auto& [series, value] : values_) {
    if (series.substr(0, series.find('{')) == name) sum += value;
  }
  return sum;
}

std::string MetricsText::Disagreements(std::span<const MetricRow> catalogue) const {
  std::string wrong;
  std::set<std::string> named;
  for (const MetricRow& row : catalogue) {
    const std::string name(row.name);
    named.insert(name);
    const auto type = types_.find(name);
    const auto labels = labels_.find(name);
    if (type == types_.end() || labels == labels_.end()) {
      wrong += name + " is not there\n";
      continue;
    }
    if (type->second != Name(row.type)) wrong += name + " is a " + type->second + "\n";
    for (const std::string& has : labels->second) {
      if (has != row.labels) wrong += name + " has the labels (" + has + ")\n";
    }
  }
  for (const auto& [family, labels] : labels_) {
    if (!named.contains(family)) wrong += family + " is in no catalogue\n";
  }
  return wrong;
}

}  // namespace vigil
