// One source: what the chart and the page say of the metrics is what the catalogue says.
#include "metrics/catalogue.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace vigil {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(VIGIL_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The rows that begin with this, one a line.
std::string RowsOf(const std::string& text, const std::string& begin) {
  std::stringstream lines(text);
  std::string rows;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(begin)) rows += line + "\n";
  }
  return rows;
}

TEST(Catalogue, TheChartHasEveryMetricAndNoOther) {
  EXPECT_EQ(RowsOf(ReadFile("charts/vigil/files/metrics.txt"), "vigil_"), ChartTable())
      << "charts/vigil/files/metrics.txt must have these rows:\n"
      << ChartTable();
}

TEST(Catalogue, ThePageHasEveryMetricAndNoOther) {
  const std::string page = ReadFile("server/METRICS.md");
  EXPECT_NE(page.find(PageTable()), std::string::npos)
      << "server/METRICS.md must have this table:\n"
      << PageTable();
  EXPECT_EQ(RowsOf(page, "| `vigil_"), RowsOf(PageTable(), "| `vigil_"));
}

TEST(Catalogue, NamesSayTheirTypesAndUnits) {
  std::set<std::string_view> names;
  for (const MetricRow& row : Catalogue()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.name.starts_with("vigil_")) << row.name;
    EXPECT_EQ(row.name.ends_with("_total"), row.type == MetricType::kCounter) << row.name;
    const bool in_seconds = row.name.ends_with("_seconds");
    EXPECT_TRUE(in_seconds || row.type != MetricType::kHistogram) << row.name;
    EXPECT_EQ(row.labels.empty(), row.values.empty()) << row.name;
    EXPECT_EQ(row.meaning.find('|'), std::string_view::npos) << row.name;
    EXPECT_FALSE(row.meaning.empty()) << row.name;
  }
}

}  // namespace
}  // namespace vigil
