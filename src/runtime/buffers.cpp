// SPDX-License-Identifier: Apache-2.0
// Liveness of results and their offsets.
#include "runtime/buffers.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "support/integers.h"

namespace partita::runtime {
namespace {

using ir::ValueId;

// Memory of one storage root, live from the node that makes it to the last that reads it or a view
// of it, both included.
struct Block {
  ValueId value = ir::kNoId;
  int64_t bytes = 0;
  int64_t first_node = 0;
  int64_t last_node = 0;
  int64_t offset = 0;

  [[nodiscard]] bool lives_with(const Block& other) const {
    return first_node <= other.last_node && other.first_node <= last_node;
  }
  [[nodiscard]] int64_t end() const { return offset + bytes; }
};

int64_t aligned(int64_t bytes) {
  return ceil_div(bytes, BufferPlan::kAlignment) * BufferPlan::kAlignment;
}

std::vector<ValueId> find_storage(const ir::Graph& graph) {
  std::vector<ValueId> storage(graph.values().size());
  std::iota(storage.begin(), storage.end(), ValueId{0});
  for (const ir::Node& node : graph.nodes()) {
    if (node.op != "reshape" || node.inputs.size() != 1 || node.outputs.size() != 1) continue;
    const ValueId root = storage[static_cast<size_t>(node.inputs[0])];
    // A state changes while a view of it may still be read.
    if (graph.value(root).kind == ir::ValueKind::kState) continue;
    storage[static_cast<size_t>(node.outputs[0])] = root;
  }
  return storage;
}

std::vector<Block> find_blocks(const ir::Graph& graph,
                               const std::vector<ValueId>& storage,
                               const ir::SymbolSizes& max_sizes) {
  std::vector<int64_t> last_use(graph.values().size(), -1);
  const auto use = [&](ValueId value, int64_t node) {
    int64_t& last = last_use[static_cast<size_t>(storage[static_cast<size_t>(value)])];
    last = std::max(last, node);
  };
  for (size_t node = 0; node < graph.nodes().size(); ++node) {
    for (const ValueId value : graph.nodes()[node].inputs) use(value, static_cast<int64_t>(node));
    for (const ValueId value : graph.nodes()[node].outputs) use(value, static_cast<int64_t>(node));
  }
  for (const ValueId value : graph.outputs())
    use(value, static_cast<int64_t>(graph.nodes().size()));

  std::vector<Block> blocks;
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const ir::Value& value = graph.values()[i];
    if (value.kind != ir::ValueKind::kResult || storage[i] != static_cast<ValueId>(i)) continue;
    blocks.push_back({static_cast<ValueId>(i), aligned(value.type.bytes(max_sizes)), value.producer,
                      last_use[i], 0});
  }
  return blocks;
}

// The lowest offset where `block` fits between the placed blocks that live with it.
int64_t lowest_offset(const Block& block, const std::vector<Block>& placed) {
  std::vector<std::pair<int64_t, int64_t>> taken;
  for (const Block& other : placed) {
    if (other.bytes > 0 && block.lives_with(other)) taken.emplace_back(other.offset, other.end());
  }
  std::ranges::sort(taken);
  int64_t offset = 0;
  for (const auto& [begin, end] : taken) {
    if (offset + block.bytes <= begin) break;
    offset = std::max(offset, end);
  }
  return offset;
}

}  // namespace

bool BufferPlan::is_view(const ir::Node& node) const {
  return node.outputs.size() == 1 &&
         storage[static_cast<size_t>(node.outputs[0])] != node.outputs[0];
}

BufferPlan plan_buffers(const ir::Graph& graph, const ir::SymbolSizes& max_sizes) {
  BufferPlan plan;
  plan.storage = find_storage(graph);
  plan.offset.assign(graph.values().size(), -1);
  std::vector<Block> blocks = find_blocks(graph, plan.storage, max_sizes);
  std::ranges::stable_sort(blocks, std::ranges::greater{}, &Block::bytes);
  std::vector<Block> placed;
  for (Block& block : blocks) {
    block.offset = lowest_offset(block, placed);
    plan.offset[static_cast<size_t>(block.value)] = block.offset;
    plan.arena_bytes = std::max(plan.arena_bytes, block.end());
    placed.push_back(block);
  }
  return plan;
}

}  // namespace partita::runtime
