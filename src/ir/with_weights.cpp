// SPDX-License-Identifier: Apache-2.0
// Rebuilds graphs and source expressions.
#include "ir/with_weights.h"

#include <utility>

namespace partita::ir {
namespace {

using Kind = WeightSource::Kind;

bool is_matrix_transpose(const WeightSource& source) {
  return source.kind == Kind::kTranspose && source.integers == std::vector<int64_t>{1, 0};
}

}  // namespace

Graph with_weights(const Graph& graph, const std::function<NewWeight(const Value&)>& change) {
  Graph result(graph.name());
  for (const Value& value : graph.values()) {
    switch (value.kind) {
      case ValueKind::kInput:
        result.add_input(value.name, value.type);
        break;
      case ValueKind::kWeight: {
        NewWeight weight = change(value);
        result.add_weight(value.name, std::move(weight.type), std::move(weight.source));
        break;
      }
      case ValueKind::kState:
        result.add_state(value.name, value.type);
        break;
      case ValueKind::kResult: {
        const Node& node = graph.node(value.producer);
        if (node.outputs.front() != *graph.find_value(value.name))
          break;  // added with the first output
        std::vector<TensorType> types;
        for (const ValueId output : node.outputs) types.push_back(graph.value(output).type);
        result.add_node(node, types);
        break;
      }
    }
  }
  result.set_outputs(graph.outputs());
  return result;
}

WeightSource with_tensors(const WeightSource& source,
                          const std::function<WeightSource(const std::string&)>& replacement) {
  if (source.kind == Kind::kTensor) return replacement(source.tensor);
  WeightSource result = source;
  for (WeightSource& input : result.inputs) input = with_tensors(input, replacement);
  return result;
}

WeightSource simplified(WeightSource source) {
  for (WeightSource& input : source.inputs) input = simplified(std::move(input));
  if (!is_matrix_transpose(source)) return source;
  const WeightSource& inner = source.inputs[0];
  if (is_matrix_transpose(inner)) return inner.inputs[0];
  if (inner.kind == Kind::kSlice && is_matrix_transpose(inner.inputs[0])) {
    return inner.inputs[0].inputs[0].slice(1 - inner.dim, inner.range);
  }
  return source;
}

}  // namespace partita::ir
