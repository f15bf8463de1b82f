// SPDX-License-Identifier: Apache-2.0
// Explanations as tables for people and as JSON.
#include <algorithm>

#include "planner/explain/alternatives.h"
#include "planner/explain/human_text.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string delta_text(const Alternative& alternative, double plan_seconds) {
  if (alternative.delta == 0) return "0";
  return str(signed_seconds_text(alternative.delta_s), " (", alternative.delta > 0 ? "+" : "",
             fixed_text(alternative.delta_s / plan_seconds * 100, 2), " %)");
}

TextRow row_of(const Alternative& alternative, double plan_seconds) {
  TextRow row = {alternative.is_chosen ? "*" : " ", alternative.choice, alternative.result};
  if (alternative.is_legal) {
    row.insert(row.end(), {seconds_text(alternative.compute_s), seconds_text(alternative.comm_s),
                           seconds_text(alternative.plan_s), delta_text(alternative, plan_seconds),
                           bytes_text(alternative.memory.total())});
  } else {
    row.insert(row.end(), 5, "-");
  }
  row.push_back(remark_on(alternative));
  return row;
}

std::string alike_text(const std::vector<std::string>& alike) {
  if (alike.empty()) return "";
  std::string text = str("alike      ", alike.front());
  if (alike.size() > 1) text += str(" .. ", alike.back(), ", ", alike.size(), " in all");
  return text + "\n";
}

}  // namespace

std::string remark_on(const Alternative& alternative) {
  std::string remark;
  const auto add = [&](const std::string& part) { remark += (remark.empty() ? "" : "; ") + part; };
  if (alternative.excluded_by == "pin") {
    add("excluded by a pin");
  } else if (!alternative.excluded_by.empty()) {
    add("excluded by the rule " + alternative.excluded_by);
  }
  if (!alternative.is_legal) add("no neighbour goes with it");
  if (!alternative.fits) add("does not fit");
  if (!alternative.dearest.empty()) add(alternative.dearest);
  return remark;
}

std::string to_text(const Explanation& explanation, const OpenPlan& plan) {
  const Phases& phases = plan.phases();
  const double seconds = plan.request_seconds(plan.predicted());
  const bool is_operator = explanation.what.starts_with("operator");
  std::string text = str(explanation.what, " ", explanation.name, ", ", explanation.place, "\n");
  text += alike_text(explanation.alike);
  text += str("decided by ", explanation.decided, "\n");
  text += str("times      of one request: ", fixed_text(phases.decode_steps, 0),
              " decode steps and ", fixed_text(phases.prefill_chunks, 2), " prefill chunks\n");
  std::vector<TextRow> rows = {{" ", is_operator ? "strategy" : "spec",
                                is_operator ? "result" : "strategies", "compute", "comm", "plan",
                                "delta", "memory", "remarks, dearest new reshard"}};
  for (const Alternative& alternative : explanation.alternatives) {
    rows.push_back(row_of(alternative, seconds));
  }
  return text + table_text(rows, {3, 4, 5, 6, 7});
}

Json to_json(const Alternative& alternative) {
  Json entry;
  entry["choice"] = alternative.choice;
  entry["result"] = alternative.result;
  entry["is_chosen"] = alternative.is_chosen;
  entry["excluded_by"] = alternative.excluded_by;
  entry["is_legal"] = alternative.is_legal;
  if (alternative.is_legal) {
    entry["fits"] = alternative.fits;
    entry["compute_s"] = alternative.compute_s;
    entry["comm_s"] = alternative.comm_s;
    entry["plan_s"] = alternative.plan_s;
    entry["delta_s"] = alternative.delta_s;
    entry["memory_bytes"] = alternative.memory.total();
    entry["dearest_new_reshard"] = alternative.dearest;
  }
  return entry;
}

Json to_json(const Explanation& explanation) {
  Json json;
  json["name"] = explanation.name;
  json["what"] = explanation.what;
  json["place"] = explanation.place;
  json["decided"] = explanation.decided;
  json["alike"] = explanation.alike;
  json["alternatives"] = Json::array();
  for (const Alternative& alternative : explanation.alternatives) {
    json["alternatives"].push_back(to_json(alternative));
  }
  return json;
}

}  // namespace partita::planner
