// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/summary.h"

#include <algorithm>
#include <vector>

#include "planner/explain/human_text.h"
#include "planner/explain/warnings.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string stage_lines(const plan::Plan& plan, const ir::Graph& graph) {
  std::string text;
  for (size_t i = 0; i < plan.stages.size() && plan.stages.size() > 1; ++i) {
    const plan::Stage& stage = plan.stages[i];
    const ir::Node& first = graph.nodes()[static_cast<size_t>(stage.first_node)];
    const ir::Node& last = graph.nodes()[static_cast<size_t>(stage.end_node - 1)];
    const plan::CostTerms& time = stage.predicted;
    text += str("stage ", i, "    ", mesh_text(stage.mesh), " from rank ",
                stage.mesh.ranks().front(), ": ", first.name, " .. ", last.name, ", decode ",
                seconds_text(time.decode_compute_s + time.decode_comm_s), ", prefill ",
                seconds_text(time.prefill_compute_s + time.prefill_comm_s), "\n");
  }
  return text;
}

std::string memory_row(const std::string& name, const plan::RankMemory& memory) {
  std::string row = name;
  row.resize(std::max<size_t>(row.size(), 12), ' ');
  for (const int64_t bytes : {memory.weights, memory.kv_cache, memory.activations,
                              memory.communication, memory.reserve, memory.total()}) {
    row += padded(bytes_text(bytes), 12);
  }
  return row + padded(memory.limit == 0 ? "none" : bytes_text(memory.limit), 12) + "\n";
}

// One row per amount: "rank 4 x32" = 32 ranks like rank 4.
std::string memory_table(const plan::Plan& plan) {
  std::string text = "memory      ";
  for (const char* title :
       {"weights", "KV cache", "activations", "buffers", "reserve", "total", "limit"}) {
    text += padded(title, 12);
  }
  text += "\n";
  std::vector<bool> shown(plan.memory.size(), false);
  for (size_t first = 0; first < plan.memory.size(); ++first) {
    if (shown[first]) continue;
    int64_t count = 0;
    for (size_t rank = first; rank < plan.memory.size(); ++rank) {
      if (plan.memory[rank] != plan.memory[first]) continue;
      shown[rank] = true;
      ++count;
    }
    text += memory_row(count == 1 ? str("rank ", first) : str("rank ", first, " x", count),
                       plan.memory[first]);
  }
  return text;
}

std::string collective_lines(const plan::Plan& plan, const ir::Graph& graph) {
  std::map<int32_t, std::string> per_layer;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    per_layer[key.first] += str("  ", count.calls, " ", key.second, " (",
                                bytes_text(count.decode_bytes), " per decode step)");
  }
  std::string text;
  for (auto at = per_layer.begin(); at != per_layer.end();) {
    auto last = at;
    auto next = std::next(at);
    while (at->first >= 0 && next != per_layer.end() && next->second == at->second &&
           next->first == last->first + 1) {
      last = next++;
    }
    const std::string layers = at->first < 0 ? "outside layers"
                               : at->first == last->first
                                   ? str("layer ", at->first)
                                   : str("layers ", at->first, "-", last->first, ", each");
    text += str("  ", layers, ":", at->second, "\n");
    at = next;
  }
  return text.empty() ? "  none\n" : text;
}

// What later stages have of weights that an earlier one stores too.
std::string shared_lines(const plan::Plan& plan) {
  std::string text;
  for (const plan::WeightCopy& copy : plan.copies) {
    text += str("shared     ", copy.value, copy.is_sent ? ": sent to stage " : ": a copy on stage ",
                copy.stage, copy.is_sent ? " at every step\n" : "\n");
  }
  return text;
}

// How many operators each pin or imported rule decides; nothing when the planner decided all.
std::string source_lines(const plan::Plan& plan) {
  std::map<std::string, int> counts;
  for (const plan::OpDecision& op : plan.ops) {
    if (!op.source.empty()) ++counts[op.source];
  }
  std::string text;
  for (const auto& [source, count] : counts) {
    text +=
        str(text.empty() ? "pinned     " : "           ", count, " operators by ", source, "\n");
  }
  return text;
}

}  // namespace

CollectiveTable collectives_per_layer(const plan::Plan& plan, const ir::Graph& graph) {
  CollectiveTable table;
  for (const plan::ReshardDecision& reshard : plan.reshards) {
    const auto id = graph.find_value(reshard.value);
    CHECK(id.has_value(), "value ", reshard.value, " is not in the graph");
    const ir::NodeId producer = graph.value(*id).producer;
    const int32_t layer = producer == ir::kNoId ? -1 : graph.node(producer).layer;
    bool is_first = true;
    for (const spec::ReshardStep& step : reshard.steps) {
      if (spec::is_local(step.kind)) continue;
      CollectiveCount& count = table[{layer, std::string(spec::to_string(step.kind))}];
      ++count.calls;
      // A plan holds the bytes of a whole path; they are shown at its first collective.
      if (is_first) count.decode_bytes += reshard.decode_bytes;
      is_first = false;
    }
  }
  return table;
}

std::string explain(const plan::Plan& plan, const ir::Graph& graph) {
  const plan::CostTerms& time = plan.predicted;
  std::string text = str("model      ", plan.model, ", ", plan.dtype, " weights, ",
                         plan.cache_dtype, " KV cache, graph ", plan.graph_hash, "\n");
  text += str("mesh       ", mesh_text(plan.mesh), " (", plan.ranks(), " ranks), replicas ",
              plan.replicas, ", profile ", plan.profile, "\n");
  text += stage_lines(plan, graph);
  text += shared_lines(plan);
  text += memory_table(plan);
  text += "collectives\n" + collective_lines(plan, graph);
  text +=
      str("decode     ", seconds_text(time.decode_compute_s + time.decode_comm_s), " per step (",
          seconds_text(time.decode_compute_s), " compute, ", seconds_text(time.decode_comm_s),
          " communication), ", plan.workload.concurrency, " sequences\n");
  text += str("prefill    ", seconds_text(time.prefill_compute_s + time.prefill_comm_s), " per ",
              plan.workload.max_step_tokens, " tokens (", seconds_text(time.prefill_compute_s),
              " compute, ", seconds_text(time.prefill_comm_s), " communication)\n");
  text += source_lines(plan);
  text += str("solver     ", plan.solver, ", gap ", fixed_text(plan.gap * 100, 3), " %\n");
  for (const std::string& warning : warnings_of(plan, graph)) {
    text += str("warning    ", warning, "\n");
  }
  return text;
}

}  // namespace partita::planner
