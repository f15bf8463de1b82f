// SPDX-License-Identifier: Apache-2.0
// Liveness and offsets of results.
#include "runtime/buffers.h"

#include <gtest/gtest.h>

#include <random>

#include "support/error.h"

namespace partita::runtime {
namespace {

const ir::SymbolSizes kSizes = {{"t", 16}};

int64_t offset_of(const ir::Graph& graph, const BufferPlan& plan, const std::string& name) {
  return plan.offset[static_cast<size_t>(*graph.find_value(name))];
}

// a, b, c, d are 16 * 4 * 4 = 256 bytes each. Only two of them are alive at once.
TEST(PlanBuffers, AChainNeedsTwoBuffers) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = relu(%x)
  %b : f32[t,4] = relu(%a)
  %c : f32[t,4] = relu(%b)
  %d : f32[t,4] = relu(%c)
  return %d
}
)");
  const BufferPlan plan = plan_buffers(graph, kSizes);
  EXPECT_EQ(plan.arena_bytes, 512);
  EXPECT_EQ(offset_of(graph, plan, "a"), offset_of(graph, plan, "c"));
  EXPECT_NE(offset_of(graph, plan, "a"), offset_of(graph, plan, "b"));
  EXPECT_EQ(offset_of(graph, plan, "x"), -1);
}

// A skip connection keeps `a` until `d`; an output lives to the end.
TEST(PlanBuffers, ValuesThatAreReadLaterKeepTheirBytes) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = relu(%x)
  %b : f32[t,4] = relu(%a)
  %c : f32[t,4] = relu(%b)
  %d : f32[t,4] = add(%a, %c)
  %e : f32[t,4] = relu(%d)
  return %b, %e
}
)");
  const BufferPlan plan = plan_buffers(graph, kSizes);
  for (const char* other : {"b", "c", "d"})
    EXPECT_NE(offset_of(graph, plan, "a"), offset_of(graph, plan, other));
  for (const char* other : {"c", "d", "e"})
    EXPECT_NE(offset_of(graph, plan, "b"), offset_of(graph, plan, other));
}

TEST(PlanBuffers, AReshapeIsAViewAndKeepsItsInputAlive) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = relu(%x)
  %view : f32[t,2,2] = reshape(%a) {shape = [0,2,2]}
  %b : f32[t,4] = relu(%x)
  %y : f32[t,2,2] = relu(%view)
  return %y, %b
}
)");
  const BufferPlan plan = plan_buffers(graph, kSizes);
  EXPECT_TRUE(plan.is_view(graph.node(1)));
  EXPECT_FALSE(plan.is_view(graph.node(0)));
  EXPECT_EQ(plan.storage[static_cast<size_t>(*graph.find_value("view"))], *graph.find_value("a"));
  EXPECT_NE(offset_of(graph, plan, "a"), offset_of(graph, plan, "b"));
  EXPECT_EQ(plan.arena_bytes, 3 * 256);
}

// Lives of random graphs: [first, last] from producers and readers, checked pairwise.
TEST(PlanBuffers, LivingValuesNeverOverlapInRandomGraphs) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    ir::Graph graph("random");
    std::vector<ir::ValueId> values = {graph.add_input("x", {DType::kF32, {"t", 4}})};
    for (int i = 0; i < 30; ++i) {
      ir::Node node;
      node.op = "add";
      node.name = str("n", i);
      for (int k = 0; k < 2; ++k) node.inputs.push_back(values[random() % values.size()]);
      const ir::TensorType type{DType::kF32, {"t", static_cast<int64_t>(1 + random() % 9)}};
      values.push_back(graph.node(graph.add_node(node, std::span(&type, 1))).outputs[0]);
    }
    graph.set_outputs({values.back()});
    const BufferPlan plan = plan_buffers(graph, kSizes);
    const auto consumers = graph.consumers();
    const auto last_use = [&](ir::ValueId id) {
      if (id == values.back()) return ir::NodeId{1000};
      const auto& readers = consumers[static_cast<size_t>(id)];
      return readers.empty() ? graph.value(id).producer : readers.back();
    };
    for (size_t i = 1; i < values.size(); ++i) {
      for (size_t j = i + 1; j < values.size(); ++j) {
        const ir::Value& b = graph.value(values[j]);
        if (last_use(values[i]) < b.producer) continue;
        const auto begin = [&](size_t k) { return plan.offset[static_cast<size_t>(values[k])]; };
        const auto end = [&](size_t k) {
          return begin(k) + graph.value(values[k]).type.bytes(kSizes);
        };
        EXPECT_TRUE(end(i) <= begin(j) || end(j) <= begin(i))
            << "seed " << seed << ": " << i << ", " << j;
        EXPECT_EQ(begin(i) % BufferPlan::kAlignment, 0);
        EXPECT_LE(end(i), plan.arena_bytes);
      }
    }
  }
}

}  // namespace
}  // namespace partita::runtime
