// SPDX-License-Identifier: Apache-2.0
// Attention rotates queries as it reads them and keys as it appends them to the cache.
#include <array>

#include "ir/sole_readers.h"
#include "ops/attention/inputs.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

using enum ops::attention::Input;

class Finder {
 public:
  explicit Finder(const ir::Graph& graph) : graph_(graph), sole_(graph) {}

  // The nodes that rotate queries and keys for that attention alone and by the same angles, those
  // of its own positions; kNoId where there are none.
  std::array<NodeId, 2> ropes_of(const ir::Node& attention) const {
    constexpr std::array<NodeId, 2> kNone = {ir::kNoId, ir::kNoId};
    if (attention.op != "attention" || attention.inputs.size() <= kPositions) return kNone;
    std::array<NodeId, 2> ropes = kNone;
    for (size_t input = 0; input < ropes.size(); ++input) {
      ropes[input] = sole_rope_of(attention.inputs[input]);
      if (ropes[input] == ir::kNoId) return kNone;
      const ir::Node& rope = graph_.node(ropes[input]);
      if (rope.inputs[1] != attention.inputs[kPositions]) return kNone;
      if (rope.attributes != graph_.node(ropes[0]).attributes) return kNone;
    }
    return attention.attributes.has("theta") ? kNone : ropes;
  }

 private:
  // The rope that makes a value which nothing else reads.
  NodeId sole_rope_of(ValueId value) const {
    const NodeId node = sole_.producer_of(value);
    return node != ir::kNoId && graph_.node(node).op == "rope" ? node : ir::kNoId;
  }

  const ir::Graph& graph_;
  ir::SoleReaders sole_;
};

class FuseRope : public Pass {
 public:
  std::string_view name() const override { return "fuse_rope"; }
  std::string_view summary() const override {
    return "Makes one node of attention and the rotations of its queries and keys.";
  }

  ir::Graph run(const ir::Graph& graph) const override {
    const Finder finder(graph);
    Rewrite rewrite(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
      const std::array<NodeId, 2> ropes = finder.ropes_of(graph.nodes()[id]);
      if (ropes[0] == ir::kNoId) continue;
      ir::Node fused = graph.nodes()[id];
      for (const auto& [name, value] : graph.node(ropes[0]).attributes.values()) {
        fused.attributes.set(name, value);
      }
      for (size_t input = 0; input < ropes.size(); ++input) {
        fused.inputs[input] = graph.node(ropes[input]).inputs[0];
        rewrite.keep_node[static_cast<size_t>(ropes[input])] = false;
      }
      rewrite.new_nodes.emplace(static_cast<NodeId>(id), std::move(fused));
    }
    return rewrite.apply();
  }
};

}  // namespace

const Pass& fuse_rope() {
  static const FuseRope pass;
  return pass;
}

}  // namespace partita::passes
