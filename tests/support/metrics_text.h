// What a scrape says, as a test wants to ask it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "metrics/catalogue.h"

namespace vigil {

class MetricsText {
 public:
  // In Prometheus's text format.
  explicit MetricsText(const std::string& text);

  // Of a series as it is written: `vigil_pods{state="ALIVE"}`. Nothing when it is not there.
  std::optional<double> Value(const std::string& series) const;
  // The same; -1 when it is not there.
  double At(const std::string& series) const { return Value(series).value_or(-1); }

  // All that the series of this name add up to.
  double Sum(const std::string& name) const;

  size_t series() const { return values_.size(); }

  // Where names, types and labels are not those of the catalogue, in either direction; empty when
  // they agree.
  std::string Disagreements(std::span<const MetricRow> catalogue) const;

 private:
  std::map<std::string, double> values_;
  // By family: what `# TYPE` says, and the labels of its series, `le` left out.
  std::map<std::string, std::string> types_;
  std::map<std::string, std::set<std::string>> labels_;
};

}  // namespace vigil
