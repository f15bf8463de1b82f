// SPDX-License-Identifier: Apache-2.0
#include "runtime/wished_inputs.h"

#include <algorithm>
#include <utility>

#include "ops/op.h"

namespace partita::runtime {
namespace {

using ir::ValueId;

// How often anything but a view reads the memory of each value; graph outputs count.
std::vector<int> count_reads(const ir::Graph& graph, const BufferPlan& buffers) {
  std::vector<int> reads(graph.values().size(), 0);
  const auto read = [&](ValueId value) {
    ++reads[static_cast<size_t>(buffers.storage[static_cast<size_t>(value)])];
  };
  for (const ir::Node& node : graph.nodes()) {
    if (buffers.is_view(node)) continue;
    for (const ValueId value : node.inputs) read(value);
  }
  for (const ValueId value : graph.outputs()) read(value);
  return reads;
}

size_t output_of(const ir::Node& node, ValueId value) {
  return static_cast<size_t>(std::ranges::find(node.outputs, value) - node.outputs.begin());
}

}  // namespace

std::vector<WishedInput> find_wished_inputs(const ir::Graph& graph, const BufferPlan& buffers) {
  const std::vector<int> reads = count_reads(graph, buffers);
  std::vector<WishedInput> found;
  size_t last_collective = 0;  // one past it
  for (size_t index = 0; index < graph.nodes().size(); ++index) {
    const ir::Node& node = graph.nodes()[index];
    if (!ops::find_op(node.op).is_collective) continue;
    const size_t free_from = std::exchange(last_collective, index + 1);
    if (node.inputs.empty()) continue;
    const ValueId made = buffers.storage[static_cast<size_t>(node.inputs[0])];
    const ir::Value& value = graph.value(made);
    if (value.kind != ir::ValueKind::kResult || reads[static_cast<size_t>(made)] != 1) continue;
    const auto producer = static_cast<size_t>(value.producer);
    // A view is not made by running a node; a collective writes its result while peers still use
    // the memory of its group.
    if (producer < free_from) continue;
    found.push_back({producer, output_of(graph.nodes()[producer], made), index});
  }
  std::ranges::sort(found, {}, &WishedInput::producer);
  return found;
}

}  // namespace partita::runtime
