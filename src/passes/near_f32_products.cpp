// SPDX-License-Identifier: Apache-2.0
// Sets the attribute `products` where weights or caches are bf16.
#include "passes/near_f32_products.h"

#include <algorithm>
#include <string>

#include "ops/products.h"
#include "passes/rewrite.h"

namespace partita::passes {
namespace {

bool reads_kept_bf16(const ir::Graph& graph, const ir::Node& node) {
  return std::ranges::any_of(node.inputs, [&](ir::ValueId input) {
    const ir::Value& value = graph.value(input);
    const bool is_kept =
        value.kind == ir::ValueKind::kWeight || value.kind == ir::ValueKind::kState;
    return is_kept && value.type.dtype == DType::kBF16;
  });
}

ir::Attributes without_products(const ir::Attributes& attributes) {
  ir::Attributes result;
  for (const auto& [name, value] : attributes.values()) {
    if (name != ops::kProducts) result.set(name, value);
  }
  return result;
}

}  // namespace

NearF32Graph near_f32_products(const ir::Graph& graph) {
  NearF32Graph result;
  Rewrite rewrite(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    ir::Node node = graph.nodes()[i];
    if (!ops::has_products(node.op)) continue;
    node.attributes = without_products(node.attributes);
    if (reads_kept_bf16(graph, node)) {
      node.attributes.set(std::string(ops::kProducts), std::string(ops::kNearF32));
      ++result.products;
    }
    rewrite.new_nodes[static_cast<ir::NodeId>(i)] = std::move(node);
  }
  result.graph = rewrite.apply();
  ops::verify_types(result.graph);
  return result;
}

}  // namespace partita::passes
