// SPDX-License-Identifier: Apache-2.0
// Which weights are stored in blocks.
#include "passes/quantize_weights.h"

#include <algorithm>
#include <set>

#include "ops/op.h"
#include "passes/rewrite.h"
#include "support/error.h"

namespace partita::passes {
namespace {

using ir::ValueId;

constexpr std::string_view kTokenInput = "token_ids";  // of language models: models/family.h

// Rows of a table are found by the token. Other tables (positions) are small and read whole rows at
// full precision, as their authors stored them.
bool is_token_lookup(const ir::Graph& graph, const ir::Node& node) {
  return node.op == "embedding" && graph.value(node.inputs[1]).name == kTokenInput;
}

// The weights of a node that are worth quantising.
std::vector<ValueId> candidates_of(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ValueId> weights;
  if (!ops::find_op(node.op).reads_blocks) return weights;
  if (node.op == "embedding" && !is_token_lookup(graph, node)) return weights;
  for (const ValueId input : node.inputs) {
    const ir::Value& value = graph.value(input);
    const bool is_weight = value.kind == ir::ValueKind::kWeight && value.type.dims.size() >= 2;
    if (is_weight && !is_block_type(value.type.dtype)) weights.push_back(input);
  }
  return weights;
}

// A weight that an operator without kernels for blocks reads as well stays plain.
bool has_other_readers(const ir::Graph& graph,
                       ValueId weight,
                       const std::vector<ir::NodeId>& readers) {
  return std::ranges::find(graph.outputs(), weight) != graph.outputs().end() ||
         std::ranges::any_of(readers, [&](ir::NodeId reader) {
           return candidates_of(graph, graph.node(reader)).empty();
         });
}

bool has_whole_blocks(const ir::Value& weight, DType dtype) {
  const int64_t width = weight.type.dims.back().size;
  return width % block_elements(dtype) == 0;
}

}  // namespace

QuantizedGraph quantize_weights(const ir::Graph& graph, DType dtype) {
  CHECK(is_block_type(dtype), to_string(dtype), " has no blocks");
  std::set<ValueId> wanted;
  std::set<ValueId> ragged;
  for (const ir::Node& node : graph.nodes()) {
    const std::vector<ValueId> weights = candidates_of(graph, node);
    const bool fits = std::ranges::all_of(
        weights, [&](ValueId id) { return has_whole_blocks(graph.value(id), dtype); });
    (fits ? wanted : ragged).insert(weights.begin(), weights.end());
  }
  QuantizedGraph result;
  Rewrite rewrite(graph);
  const auto readers = graph.consumers();
  for (const ValueId id : wanted) {
    if (ragged.contains(id)) continue;
    if (has_other_readers(graph, id, readers[static_cast<size_t>(id)])) continue;
    rewrite.stored_dtype[id] = dtype;
    ++result.quantized;
  }
  for (const ValueId id : ragged) {
    if (graph.value(id).type.dtype == DType::kF32) rewrite.stored_dtype[id] = DType::kBF16;
    result.kept.push_back(graph.value(id).name);
  }
  result.graph = rewrite.apply();
  ops::verify_types(result.graph);
  return result;
}

}  // namespace partita::passes
