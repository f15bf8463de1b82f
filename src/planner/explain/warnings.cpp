// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/warnings.h"

#include <map>

#include "ops/op.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr size_t kNamedNodes = 3;

std::string sentence(const std::string& op, const std::vector<std::string>& nodes) {
  std::string names;
  for (size_t i = 0; i < nodes.size() && i < kNamedNodes; ++i) {
    names += str(i == 0 ? "" : ", ", nodes[i]);
  }
  if (nodes.size() > kNamedNodes) names += str(" and ", nodes.size() - kNamedNodes, " more");
  return str(op, " cannot be cut and runs whole on every rank: ", names);
}

}  // namespace

std::vector<std::string> warnings_of(const plan::Plan& plan, const ir::Graph& graph) {
  std::map<std::string, std::vector<std::string>> whole;
  for (const plan::Stage& stage : plan.stages) {
    if (stage.mesh.size() == 1) continue;
    for (int64_t id = stage.first_node; id < stage.end_node; ++id) {
      const ir::Node& node = graph.nodes()[static_cast<size_t>(id)];
      if (!spec::is_whole(ops::notation_of(graph, node))) continue;
      whole[node.op].push_back(node.name);
    }
  }
  std::vector<std::string> warnings;
  for (const auto& [op, nodes] : whole) warnings.push_back(sentence(op, nodes));
  return warnings;
}

}  // namespace partita::planner
