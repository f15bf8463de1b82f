// SPDX-License-Identifier: Apache-2.0
// What is derived from a declaration: the table, types, costs, nodes.
#include "ops/op.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ops/op_table.h"
#include "support/error.h"

namespace partita::ops {
namespace {

std::vector<const OpDef*> sorted_ops() {
  std::vector<const OpDef*> ops;
  for (const OpFolder& folder : op_folders()) {
    for (const OpDef& op : folder.ops()) ops.push_back(&op);
  }
  std::ranges::sort(ops, {}, &OpDef::name);
  for (size_t i = 1; i < ops.size(); ++i) {
    CHECK(ops[i - 1]->name != ops[i]->name, "two operators are called ", ops[i]->name);
  }
  return ops;
}

// Levenshtein distance: single-character edits between two names.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

std::string nearest_names(std::string_view name) {
  std::vector<std::pair<size_t, std::string_view>> candidates;
  for (const OpDef* op : all_ops())
    candidates.emplace_back(edit_distance(name, op->name), op->name);
  std::ranges::sort(candidates);
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(3, candidates.size()); ++i) {
    text += str(i == 0 ? "" : ", ", candidates[i].second);
  }
  return text;
}

// The symbol of each factor that an input dim carries alone; "" for known sizes.
std::vector<std::string> factor_symbols(const OpCall& call, const spec::Notation& notation) {
  std::vector<std::string> symbols(notation.factors.size());
  for (size_t input = 0; input < notation.inputs.size(); ++input) {
    const spec::TensorIndex& index = notation.inputs[input];
    for (size_t dim = 0; dim < index.size(); ++dim) {
      if (index[dim].size() != 1 || index[dim][0].divide != 1) continue;
      const std::string& found = call.inputs[input].dims[dim].symbol;
      std::string& symbol = symbols[static_cast<size_t>(index[dim][0].factor)];
      if (!symbol.empty() && !found.empty() && symbol != found) {
        throw Error(ErrorCode::kInvalidArgument,
                    str("[ops] ", call.op, ": dim ", dim, " of input ", input, " is ", found,
                        "; expected ", symbol, " as in an earlier input"));
      }
      if (!found.empty()) symbol = found;
    }
  }
  return symbols;
}

void require_no_blocks(const OpCall& call, const OpDef& op) {
  for (size_t input = 0; input < call.inputs.size(); ++input) {
    if (op.reads_blocks || !is_block_type(call.inputs[input].dtype)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                str("[ops] ", call.op, ": input ", input, " is ", ir::to_string(call.inputs[input]),
                    "; this operator reads no weights that are stored in blocks"));
  }
}

std::vector<ir::TensorType> types_from(const OpCall& call,
                                       const OpDef& op,
                                       const spec::Notation& notation) {
  const std::vector<std::string> symbols = factor_symbols(call, notation);
  const std::vector<std::vector<int64_t>> shapes = spec::output_shapes(notation);
  std::vector<DType> dtypes;
  if (op.output_dtypes != nullptr) dtypes = op.output_dtypes(call);
  std::vector<ir::TensorType> types(shapes.size());
  for (size_t output = 0; output < shapes.size(); ++output) {
    types[output].dtype = dtypes.empty() ? call.inputs[0].dtype : dtypes.at(output);
    for (size_t dim = 0; dim < shapes[output].size(); ++dim) {
      ir::Dim result(shapes[output][dim]);
      if (result.size < 0) {
        const spec::DimIndex& index = notation.outputs[output][dim];
        CHECK(index.size() == 1, call.op, ": a compound output dim must have a known size");
        const auto factor = static_cast<size_t>(index[0].factor);
        // A symbolic factor that no input carries (the output of recv) is named by its symbol.
        result.symbol = symbols[factor].empty() ? notation.factors[factor].name : symbols[factor];
      }
      types[output].dims.push_back(result);
    }
  }
  return types;
}

std::vector<ir::TensorType> input_types(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ir::TensorType> types;
  for (const ir::ValueId id : node.inputs) types.push_back(graph.value(id).type);
  return types;
}

void require_same_type(const OpDef& op,
                       const ir::TensorType& found,
                       const ir::TensorType& expected) {
  const bool same = op.is_collective
                        ? found.dtype == expected.dtype && found.dims.size() == expected.dims.size()
                        : found == expected;
  if (!same) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[ops] ", op.name, ": a result is ", ir::to_string(found), "; expected ",
                    ir::to_string(expected)));
  }
}

void verify_node_types(const ir::Graph& graph, const ir::Node& node) {
  const OpDef& op = find_op(node.op);
  const std::vector<ir::TensorType> inputs = input_types(graph, node);
  const std::vector<ir::TensorType> expected = infer_types({node.op, node.attributes, inputs});
  if (op.is_collective && expected.empty()) return;  // recv: its type is given, not inferred
  if (expected.size() != node.outputs.size()) {
    throw Error(ErrorCode::kInvalidArgument, str("[ops] ", op.name, ": ", node.outputs.size(),
                                                 " results; expected ", expected.size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    require_same_type(op, graph.value(node.outputs[i]).type, expected[i]);
  }
}

}  // namespace

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> ops = sorted_ops();
  return ops;
}

const OpDef& find_op(std::string_view name) {
  const auto ops = all_ops();
  const auto found = std::ranges::lower_bound(ops, name, {}, &OpDef::name);
  if (found == ops.end() || (*found)->name != name) {
    throw Error(ErrorCode::kUnsupported, str("[ops] unknown operator \"", name,
                                             "\"; the nearest known are ", nearest_names(name)));
  }
  return **found;
}

std::vector<ir::TensorType> infer_types(const OpCall& call) {
  const OpDef& op = find_op(call.op);
  require_no_blocks(call, op);
  return types_from(call, op, op.bind(call));
}

double flops_of(const OpCall& call, const ir::SymbolSizes& symbols) {
  const OpDef& op = find_op(call.op);
  if (op.flops != nullptr) return op.flops(call, symbols);
  double flops = 0;
  for (const ir::TensorType& type : infer_types(call)) {
    flops += static_cast<double>(type.elements(symbols));
  }
  return flops;
}

double bytes_of(const OpCall& call, const ir::SymbolSizes& symbols) {
  const OpDef& op = find_op(call.op);
  if (op.bytes != nullptr) return op.bytes(call, symbols);
  double bytes = 0;
  for (const ir::TensorType& type : call.inputs) bytes += static_cast<double>(type.bytes(symbols));
  for (const ir::TensorType& type : infer_types(call)) {
    bytes += static_cast<double>(type.bytes(symbols));
  }
  return bytes;
}

ir::ValueId add_op(ir::Graph& graph,
                   std::string_view op,
                   std::vector<ir::ValueId> inputs,
                   NodeOptions options) {
  ir::Node node;
  node.op = op;
  node.name = std::move(options.name);
  node.inputs = std::move(inputs);
  node.attributes = std::move(options.attributes);
  node.layer = options.layer;
  const std::vector<ir::TensorType> types = input_types(graph, node);
  const std::vector<ir::TensorType> results = infer_types({op, node.attributes, types});
  const ir::NodeId id = graph.add_node(std::move(node), results);
  return results.empty() ? ir::kNoId : graph.node(id).outputs.front();
}

void verify_types(const ir::Graph& graph) {
  ir::verify(graph);
  for (const ir::Node& node : graph.nodes()) {
    try {
      verify_node_types(graph, node);
    } catch (const Error& error) {
      throw Error(error.code(), str("[graph] node %", node.name, ": ", error.what()));
    }
  }
}

spec::Notation notation_of(const ir::Graph& graph, const ir::Node& node) {
  const std::vector<ir::TensorType> types = input_types(graph, node);
  return find_op(node.op).bind({node.op, node.attributes, types});
}

}  // namespace partita::ops
