// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/names.h"

#include <algorithm>

#include "planner/explain/human_text.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::vector<std::string> names_in(const spec::Notation& notation,
                                  const spec::TensorIndex& index,
                                  const ir::TensorType& type) {
  std::vector<std::string> names;
  for (size_t i = 0; i < index.size(); ++i) {
    if (i < type.dims.size() && type.dims[i].is_symbolic()) {
      names.push_back(type.dims[i].symbol);
    } else {
      // Only the major term of a compound dim can be split.
      names.push_back(index[i].empty()
                          ? ""
                          : notation.factors[static_cast<size_t>(index[i].front().factor)].name);
    }
  }
  return names;
}

// A dim that is one symbolic factor gives the factor its symbol.
void add_symbols(const spec::TensorIndex& index,
                 const ir::TensorType& type,
                 std::vector<std::string>& names) {
  for (size_t i = 0; i < index.size() && i < type.dims.size(); ++i) {
    if (index[i].size() != 1 || !type.dims[i].is_symbolic()) continue;
    const std::string& symbol = type.dims[i].symbol;
    // Two factors of one name would be one to the reader.
    if (std::find(names.begin(), names.end(), symbol) != names.end()) continue;
    names[static_cast<size_t>(index[i].front().factor)] = symbol;
  }
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::vector<std::string> dim_names_of(const GraphFacts& facts, ir::ValueId value) {
  const ir::Graph& graph = facts.graph();
  const auto notation_of = [&](ir::NodeId node) -> const spec::Notation& {
    return facts.kinds()[static_cast<size_t>(facts.kind_of(node))].notation;
  };
  const ir::NodeId producer = graph.value(value).producer;
  if (producer != ir::kNoId) {
    const auto& outputs = graph.node(producer).outputs;
    const auto slot = std::find(outputs.begin(), outputs.end(), value) - outputs.begin();
    const spec::Notation& notation = notation_of(producer);
    return names_in(notation, notation.outputs.at(static_cast<size_t>(slot)),
                    graph.value(value).type);
  }
  for (const Use& use : facts.uses_of(value)) {
    if (use.node == ir::kNoId) continue;
    const spec::Notation& notation = notation_of(use.node);
    return names_in(notation, notation.inputs.at(static_cast<size_t>(use.slot)),
                    graph.value(value).type);
  }
  return {};
}

std::vector<std::string> factor_names_of(const GraphFacts& facts, ir::NodeId node) {
  const ir::Graph& graph = facts.graph();
  const spec::Notation& notation = facts.kinds()[static_cast<size_t>(facts.kind_of(node))].notation;
  std::vector<std::string> names;
  for (const spec::Factor& factor : notation.factors) names.push_back(factor.name);
  const auto add = [&](const std::vector<spec::TensorIndex>& tensors,
                       const std::vector<ir::ValueId>& values) {
    for (size_t i = 0; i < tensors.size() && i < values.size(); ++i) {
      add_symbols(tensors[i], graph.value(values[i]).type, names);
    }
  };
  add(notation.outputs, graph.node(node).outputs);
  add(notation.inputs, graph.node(node).inputs);
  return names;
}

std::string strategy_text(const GraphFacts& facts,
                          ir::NodeId node,
                          const std::vector<int>& axis_factor,
                          const spec::Mesh& mesh) {
  spec::Notation named = facts.kinds()[static_cast<size_t>(facts.kind_of(node))].notation;
  const std::vector<std::string> names = factor_names_of(facts, node);
  for (size_t i = 0; i < names.size(); ++i) named.factors[i].name = names[i];
  return spec::to_string(spec::Strategy{axis_factor, {}, {}}, named, mesh);
}

std::string spec_text(const GraphFacts& facts,
                      ir::ValueId value,
                      const spec::TensorSpec& spec,
                      const spec::Mesh& mesh) {
  return spec::to_string(spec, facts.graph().value(value).type.shape(), mesh,
                         dim_names_of(facts, value));
}

std::string path_text(const spec::ReshardPath& steps, const spec::Mesh& mesh) {
  std::string text;
  for (const spec::ReshardStep& step : steps) {
    if (spec::is_local(step.kind)) continue;
    std::string axes;
    for (const int axis : step.axes) {
      axes += str(axes.empty() ? "" : "*", mesh.axes().at(static_cast<size_t>(axis)).name);
    }
    text += str(text.empty() ? "" : " + ", spec::to_string(step.kind), "(", axes, ")");
  }
  return text.empty() ? "slice" : text;
}

std::string mesh_text_of(const plan::Plan& plan) {
  const bool is_even = std::all_of(plan.stages.begin(), plan.stages.end(), [&](const auto& stage) {
    return stage.mesh.axes() == plan.stages.front().mesh.axes();
  });
  if (is_even) return mesh_text(plan.mesh);
  std::string text;
  for (const plan::Stage& stage : plan.stages) {
    text += (text.empty() ? "" : " | ") + mesh_text(stage.mesh);
  }
  return text;
}

std::string layer_pattern(const std::string& name) {
  std::string pattern;
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    // "name.1" is the second output of a node, not a layer.
    const bool is_layer = is_number(part) && begin > 0 && end < name.size();
    pattern += (begin == 0 ? "" : ".") + (is_layer ? "*" : part);
    begin = end + 1;
  }
  return pattern;
}

std::string ranges_text(const std::set<int32_t>& numbers) {
  std::string text;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const int32_t first = *at;
    int32_t last = first;
    while (++at != numbers.end() && *at == last + 1) ++last;
    text += str(text.empty() ? "" : ", ", first);
    if (last > first) text += str("-", last);
  }
  return text;
}

}  // namespace partita::planner
