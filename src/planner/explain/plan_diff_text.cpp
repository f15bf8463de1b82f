// SPDX-License-Identifier: Apache-2.0
// A difference of plans as text and as JSON.
#include <cmath>

#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "planner/explain/plan_diff.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string value_text(double value, TotalDiff::Unit unit) {
  switch (unit) {
    case TotalDiff::Unit::kSeconds:
      return seconds_text(value);
    case TotalDiff::Unit::kBytes:
      return bytes_text(static_cast<int64_t>(value));
    case TotalDiff::Unit::kCount:
      return fixed_text(value, 0);
  }
  CHECK(false, "unknown unit");
  return "";
}

std::string change_text(const TotalDiff& total) {
  const double change = total.after - total.before;
  if (change == 0) return "0";
  std::string text = (change > 0 ? "+" : "-") + value_text(std::abs(change), total.unit);
  if (total.before > 0) {
    text += str(" (", change > 0 ? "+" : "", fixed_text(change / total.before * 100, 1), " %)");
  }
  return text;
}

Json to_json(const std::vector<DecisionDiff>& list) {
  Json json = Json::array();
  for (const DecisionDiff& diff : list) {
    json.push_back({{"what", diff.what},
                    {"name", diff.name},
                    {"layers", diff.layers},
                    {"before", diff.before},
                    {"after", diff.after}});
  }
  return json;
}

}  // namespace

std::string to_text(const PlanDiff& diff) {
  if (diff.is_equal) return "the plans are equal\n";
  std::string text;
  std::vector<TextRow> rows;
  for (const DecisionDiff& setting : diff.settings) {
    rows.push_back({setting.name, setting.before, "->", setting.after});
  }
  text += table_text(rows, {});
  if (!text.empty()) text += "\n";
  if (diff.decisions.empty()) text += "no decision differs\n";
  rows.clear();
  for (const DecisionDiff& decision : diff.decisions) {
    rows.push_back({decision.what, decision.name,
                    decision.layers.empty() ? "" : "layers " + ranges_text(decision.layers),
                    decision.before, "->", decision.after});
  }
  text += table_text(rows, {}) + "\n";
  rows = {{"predicted", "before", "after", "change"}};
  for (const TotalDiff& total : diff.totals) {
    rows.push_back({total.name, value_text(total.before, total.unit),
                    value_text(total.after, total.unit), change_text(total)});
  }
  return text + table_text(rows, {1, 2, 3});
}

Json to_json(const PlanDiff& diff) {
  Json json;
  json["is_equal"] = diff.is_equal;
  json["settings"] = to_json(diff.settings);
  json["decisions"] = to_json(diff.decisions);
  json["totals"] = Json::array();
  for (const TotalDiff& total : diff.totals) {
    json["totals"].push_back(
        {{"name", total.name}, {"before", total.before}, {"after", total.after}});
  }
  return json;
}

}  // namespace partita::planner
