// SPDX-License-Identifier: Apache-2.0
// Plans of models with experts on described meshes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "importer/importer.h"
#include "ops/op.h"
#include "planner/planner.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

// How often each cut of the operators of that name is in the plan.
std::map<std::string, int> cuts_of(const std::string& op,
                                   const plan::Plan& plan,
                                   const ir::Graph& graph) {
  std::map<std::string_view, const ir::Node*> nodes;
  for (const ir::Node& node : graph.nodes()) nodes[node.name] = &node;
  std::map<std::string, int> cuts;
  for (const plan::OpDecision& decision : plan.ops) {
    const ir::Node& node = *nodes.at(decision.node);
    if (node.op != op) continue;
    const spec::Strategy strategy{.axis_factor = decision.axis_factor, .inputs = {}, .outputs = {}};
    ++cuts[to_string(strategy, ops::notation_of(graph, node), plan.stages.front().mesh)];
  }
  return cuts;
}

plan::Plan plan_for(const ir::Graph& graph, const std::string& mesh) {
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh::parse(mesh),
                         .profile = cost::load_profile(data("devices/h100-4x8.toml")),
                         .dtype = "bf16"};
  const PlanResult result = make_plan(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, infeasible->reason);
  }
  return std::get<plan::Plan>(result);
}

// Weights that shall be sharded are sharded on every axis, all three of them: a cut of the output d
// would leave gate and up whole. The router's is whole.
TEST(ExpertsPlan, ExpertsAreSplitOverEveryAxisAndRoutersAreWhole) {
  const ir::Graph graph =
      importer::import_model(data("configs/mixtral-8x7b"), {.weight_dtype = DType::kBF16}).graph;
  for (const std::string mesh : {"ep=2,tp=2", "ep=4,tp=2", "ep=8"}) {
    const plan::Plan plan = plan_for(graph, mesh);
    EXPECT_EQ(plan.gap, 0);
    int layers = 0;
    for (const auto& [cut, count] : cuts_of("experts", plan, graph)) {
      layers += count;
      EXPECT_THAT(cut, testing::HasSubstr(":ep"));
      const bool has_tp = mesh != "ep=8";
      EXPECT_EQ(cut.find(":tp") != std::string::npos, has_tp) << cut;
      EXPECT_THAT(cut, testing::Not(testing::HasSubstr("d:")));
    }
    EXPECT_EQ(layers, 32);
    EXPECT_EQ(cuts_of("router", plan, graph), (std::map<std::string, int>{{"replicated", 32}}));
    // Twelve bytes in thirteen are experts: nothing large is left whole.
    const int64_t whole_bytes = 2 * int64_t{46'702'792'704};
    for (const plan::RankMemory& rank : plan.memory) {
      EXPECT_LT(static_cast<double>(rank.weights),
                1.05 * static_cast<double>(whole_bytes) / static_cast<double>(plan.ranks()));
    }
  }
}

// One token with two choices keeps two ranks busy when experts are shared out, all ranks when every
// expert is cut.
TEST(ExpertsPlan, FewTokensAreFasterInsideTheExperts) {
  const ir::Graph graph =
      importer::import_model(data("configs/mixtral-8x7b"), {.weight_dtype = DType::kBF16}).graph;
  const plan::Plan plan = plan_for(graph, "tp=8");
  EXPECT_EQ(cuts_of("experts", plan, graph), (std::map<std::string, int>{{"f:tp", 32}}));
}

// 16 ranks for 8 experts: by expert half of the ranks would be idle.
TEST(ExpertsPlan, MoreRanksThanExpertsCutInside) {
  const ir::Graph graph =
      importer::import_model(data("configs/mixtral-8x7b"), {.weight_dtype = DType::kBF16}).graph;
  const plan::Plan plan = plan_for(graph, "ep=16");
  EXPECT_EQ(cuts_of("experts", plan, graph), (std::map<std::string, int>{{"f:ep", 32}}));
}

}  // namespace
}  // namespace partita::planner
