// SPDX-License-Identifier: Apache-2.0
// Stages on submeshes: what holds no weights can be too large too.
#include "planner/stages/submesh_spaces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "importer/importer.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

// No choice gives it fewer bytes than none: the search for one ends.
TEST(SubmeshSpaces, AStageOfActivationsAloneMayNotFit) {
  const ir::Graph graph =
      importer::import_model(data("configs/llama-3.2-1b"), {.weight_dtype = DType::kBF16}).graph;
  PlanRequest request = {.graph = graph,
                         .profile = cost::load_profile(data("devices/h100-8x8.toml")),
                         .workload = {.concurrency = 64, .max_context = 4096},
                         .dtype = "bf16"};
  cost::Device& device = request.profile.device;
  device.memory_bytes = device.reserve_bytes + 1'000'000;
  const auto add = std::ranges::find(graph.nodes(), "add", &ir::Node::op);
  ASSERT_NE(add, graph.nodes().end());
  const int64_t node = add - graph.nodes().begin();
  const GraphFacts facts(graph, {});
  SubmeshSpaces spaces(facts, request, request.profile, 1);
  const StagePlan bounded = spaces.decide(spec::Mesh::parse("gpu=4"), {node, node + 1}, true);
  EXPECT_FALSE(bounded.fits);
  EXPECT_EQ(bounded.memory.at(0).weights + bounded.memory.at(0).kv_cache, 0);
  EXPECT_GT(bounded.largest_excess(), 0);
  EXPECT_TRUE(spaces.decide(spec::Mesh::parse("gpu=4"), {node, node + 1}, false).fits);
}

}  // namespace
}  // namespace partita::planner
