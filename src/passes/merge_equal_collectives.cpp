// SPDX-License-Identifier: Apache-2.0
// Two collectives of one value with equal attributes become one.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "ops/op.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

// Results depend on the input and the attributes only. send and recv do not: each is a message of
// its own.
constexpr std::array<std::string_view, 5> kMergeable = {"all_gather", "all_reduce", "all_to_all",
                                                        "broadcast", "reduce_scatter"};

struct Key {
  std::string op;
  ir::ValueId input;
  std::map<std::string, ir::Attribute> attributes;
  auto operator<=>(const Key&) const = default;
};

bool mergeable(const ir::Graph& graph, const ir::Node& node) {
  if (std::find(kMergeable.begin(), kMergeable.end(), node.op) == kMergeable.end()) return false;
  if (node.inputs.size() != 1 || node.outputs.size() != 1) return false;
  return graph.value(node.inputs[0]).kind != ir::ValueKind::kState;  // may change between the two
}

// All ranks of a group run the same pass over programs of the same order, so they drop the same
// call.
class MergeEqualCollectives : public Pass {
 public:
  std::string_view name() const override { return "merge_equal_collectives"; }
  std::string_view summary() const override {
    return "Merges collectives of the same value with the same group and attributes into one.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    Rewrite rewrite(graph);
    std::map<Key, ir::ValueId> first;
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const ir::Node& node = graph.nodes()[id];
      if (!mergeable(graph, node)) continue;
      Key key{node.op, rewrite.resolve(node.inputs[0]), node.attributes.values()};
      const auto [entry, is_new] = first.emplace(std::move(key), node.outputs[0]);
      if (is_new) continue;
      rewrite.keep_node[id] = false;
      rewrite.replaced_by[static_cast<size_t>(node.outputs[0])] = entry->second;
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& merge_equal_collectives() {
  static const MergeEqualCollectives pass;
  return pass;
}

}  // namespace partita::passes
