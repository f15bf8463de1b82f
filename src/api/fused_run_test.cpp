// SPDX-License-Identifier: Apache-2.0
// Programs of ranks, whose nodes are fused, give what the uncut and unfused graph gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>

#include "api/virtual_ranks.h"
#include "partition/test_plan.h"

namespace partita::api {
namespace {

// A gated feed-forward layer between two norms.
constexpr const char* kGatedLayer = R"(graph "layer" {
  input %x : f32[t,24]
  weight %first : f32[24] = tensor("first")
  weight %wg : f32[20,24] = tensor("wg")
  weight %wu : f32[20,24] = tensor("wu")
  weight %wd : f32[24,20] = tensor("wd")
  weight %last : f32[24] = tensor("last")
  %h : f32[t,24] = rms_norm(%x, %first) {eps = 1e-05}
  %gate : f32[t,20] = linear(%h, %wg)
  %act : f32[t,20] = silu(%gate)
  %up : f32[t,20] = linear(%h, %wu)
  %product : f32[t,20] = mul(%act, %up)
  %down : f32[t,24] = linear(%product, %wd)
  %residual : f32[t,24] = add(%x, %down)
  %y : f32[t,24] = rms_norm(%residual, %last) {eps = 1e-05}
  return %y, %residual
}
)";

MemoryModel random_model(const ir::Graph& graph, int64_t tokens) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> distribution(-1, 1);
  MemoryModel model;
  model.sizes = {{"t", tokens}};
  for (const ir::Value& value : graph.values()) {
    const bool is_weight = value.kind == ir::ValueKind::kWeight;
    if (!is_weight && value.kind != ir::ValueKind::kInput) continue;
    int64_t count = 1;
    for (const ir::Dim& dim : value.type.dims) count *= dim.is_symbolic() ? tokens : dim.size;
    std::vector<float>& data = model.floats[value.name];
    data.resize(static_cast<size_t>(count));
    for (float& number : data) number = distribution(random);
    if (is_weight) model.tensors[value.name] = {DType::kF32, value.type.dims};
  }
  return model;
}

void expect_same_on(const ir::Graph& graph,
                    const plan::Plan& plan,
                    const MemoryModel& model,
                    float tolerance = 2e-5F) {
  const StepOutputs expected = run_whole(graph, model);
  for (const StepOutputs& found : run_ranks(graph, plan, model)) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t output = 0; output < found.size(); ++output) {
      ASSERT_EQ(found[output].size(), expected[output].size());
      for (size_t i = 0; i < found[output].size(); ++i) {
        ASSERT_NEAR(found[output][i], expected[output][i], tolerance) << output << " " << i;
      }
    }
  }
}

// 20 hidden features over 3 ranks: 7, 7 and 6 of them.
TEST(FusedRun, AGatedLayerOverRanksEqualsTheUncutOne) {
  const ir::Graph graph = ir::parse_graph(kGatedLayer);
  const auto choose = partition::split_factors(
      {{"gate", "n"}, {"act", "d1"}, {"up", "n"}, {"product", "d1"}, {"down", "k"}});
  for (const char* mesh : {"tp=1", "tp=2", "tp=3"}) {
    const plan::Plan plan =
        partition::TestPlanner(graph, partition::one_stage(graph, mesh), choose).make();
    const ir::Graph program = partition::partition_rank(graph, plan, 0).graph;
    const auto has = [&](std::string_view op) {
      return std::ranges::any_of(program.nodes(), [&](const auto& node) { return node.op == op; });
    };
    EXPECT_TRUE(has("gated")) << ir::print_graph(program);
    EXPECT_FALSE(has("mul") || has("silu")) << ir::print_graph(program);
    EXPECT_EQ(has("all_reduce_add_rms_norm"), plan.ranks() > 1);
    for (const int64_t tokens : {1, 9}) expect_same_on(graph, plan, random_model(graph, tokens));
  }
}

// The same with weights in blocks.
constexpr const char* kBlocksLayer = R"(graph "layer" {
  input %x : f32[t,64]
  weight %first : f32[64] = tensor("first")
  weight %wg : q8_0[128,64] = tensor("wg")
  weight %wu : q8_0[128,64] = tensor("wu")
  weight %wd : q8_0[64,128] = tensor("wd")
  weight %last : f32[64] = tensor("last")
  weight %wo : q4_0[8,64] = tensor("wo")
  %h : f32[t,64] = rms_norm(%x, %first) {eps = 1e-05}
  %gate : f32[t,128] = linear(%h, %wg)
  %act : f32[t,128] = silu(%gate)
  %up : f32[t,128] = linear(%h, %wu)
  %product : f32[t,128] = mul(%act, %up)
  %down : f32[t,64] = linear(%product, %wd)
  %residual : f32[t,64] = add(%x, %down)
  %y : f32[t,64] = rms_norm(%residual, %last) {eps = 1e-05}
  %o : f32[t,8] = linear(%y, %wo)
  %z : f32[t,8] = linear(%residual, %wo)
  return %o, %z
}
)";

// 128 hidden features over up to 4 ranks: whole blocks of 32. On one rank the bits are equal; on
// several another order of sums may round a value of a row to the next of its 255 quants.
TEST(FusedRun, ALayerWithWeightsInBlocksEqualsTheUnfusedOne) {
  const ir::Graph graph = ir::parse_graph(kBlocksLayer);
  const auto choose = partition::split_factors(
      {{"gate", "n"}, {"act", "d1"}, {"up", "n"}, {"product", "d1"}, {"down", "k"}});
  for (const char* mesh : {"tp=1", "tp=2", "tp=4"}) {
    const plan::Plan plan =
        partition::TestPlanner(graph, partition::one_stage(graph, mesh), choose).make();
    const ir::Graph program = partition::partition_rank(graph, plan, 0).graph;
    std::map<std::string, int> quantized;
    for (const ir::Node& node : program.nodes()) {
      if (node.attributes.has("quantized_for")) ++quantized[node.op];
    }
    const char* sum = plan.ranks() > 1 ? "all_reduce_add_rms_norm" : "add_rms_norm";
    const std::map<std::string, int> expected = {
        {"gated", 1}, {"quantize_rows", 1}, {"rms_norm", 1}, {sum, 1}};
    EXPECT_EQ(quantized, expected) << ir::print_graph(program);
    for (const int64_t tokens : {1, 9, 30}) {
      expect_same_on(graph, plan, random_model(graph, tokens), plan.ranks() > 1 ? 0.05F : 0.0F);
    }
  }
}

}  // namespace
}  // namespace partita::api
