// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/transfers.h"

#include <algorithm>
#include <set>

#include "plan/value_stages.h"
#include "planner/explain/html/markup.h"
#include "planner/explain/human_text.h"
#include "planner/phases.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string number_cell(const std::string& text) {
  return tag("td", {{"class", "number"}}, escaped(text));
}

bool is_sent_weight(const plan::Plan& plan, const std::string& name, int stage) {
  return std::ranges::any_of(plan.copies, [&](const plan::WeightCopy& copy) {
    return copy.is_sent && copy.stage == stage && copy.value == name;
  });
}

}  // namespace

std::vector<StageTransfer> transfers_of(const plan::Plan& plan, const ir::Graph& graph) {
  std::vector<StageTransfer> transfers;
  if (plan.stages.size() < 2) return transfers;
  const Phases phases = phases_of(plan.workload, graph, plan.replicas);
  const std::vector<int> homes = plan::stages_of_values(graph, plan.stages);
  std::set<std::pair<int, ir::ValueId>> sent;
  const auto read = [&](ir::ValueId id, int stage) {
    const ir::Value& value = graph.value(id);
    const int home = homes[static_cast<size_t>(id)];
    const bool is_weight = value.kind == ir::ValueKind::kWeight;
    const bool crosses = value.kind == ir::ValueKind::kResult ||
                         (is_weight && is_sent_weight(plan, value.name, stage));
    if (home == stage || !crosses || !sent.insert({stage, id}).second) return;
    transfers.push_back({.value = value.name,
                         .from = home,
                         .to = stage,
                         .is_weight = is_weight,
                         .decode_bytes = value.type.bytes(phases.decode),
                         .prefill_bytes = value.type.bytes(phases.prefill)});
  };
  for (int64_t node = 0; node < static_cast<int64_t>(graph.nodes().size()); ++node) {
    for (const ir::ValueId id : graph.nodes()[static_cast<size_t>(node)].inputs) {
      read(id, plan.stage_of_node(node));
    }
  }
  for (const ir::ValueId id : graph.outputs()) read(id, static_cast<int>(plan.stages.size()) - 1);
  return transfers;
}

std::string transfers_table(const std::vector<StageTransfer>& transfers, const plan::Plan& plan) {
  if (transfers.empty()) return tag("p", {}, "none: there is one stage");
  double decode_s = plan.predicted.decode_comm_s;
  double prefill_s = plan.predicted.prefill_comm_s;
  for (const plan::ReshardDecision& reshard : plan.reshards) {
    decode_s -= reshard.cost.decode_comm_s;
    prefill_s -= reshard.cost.prefill_comm_s;
  }
  std::string rows =
      "<tr><th>value</th><th>from</th><th>to</th><th class=\"number\">bytes per decode step</th>"
      "<th class=\"number\">bytes per prefill chunk</th></tr>";
  for (const StageTransfer& transfer : transfers) {
    rows += tag(
        "tr", {},
        tag("td", {},
            tag("code", {}, escaped(transfer.value)) + (transfer.is_weight ? " (weight)" : "")) +
            tag("td", {}, str("stage ", transfer.from)) +
            tag("td", {}, str("stage ", transfer.to)) +
            number_cell(bytes_text(transfer.decode_bytes)) +
            number_cell(bytes_text(transfer.prefill_bytes)));
  }
  const std::string times =
      str("All of them take ", seconds_text(std::max(0.0, decode_s)), " of a decode step and ",
          seconds_text(std::max(0.0, prefill_s)), " of a prefill chunk.");
  return tag("div", {{"class", "scroll"}}, tag("table", {}, rows)) +
         tag("p", {{"class", "soft"}}, escaped(times));
}

}  // namespace partita::planner
