// SPDX-License-Identifier: Apache-2.0
// Experts cut by expert, inside the expert, by output, or several of these at once give what the
// uncut graph gives, and every rank reads the tensors of its own experts only.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "api/virtual_ranks.h"
#include "cost/profile.h"
#include "ir/weight_type.h"
#include "partition/test_plan.h"
#include "planner/planner.h"

namespace partita::api {
namespace {

constexpr int64_t kTokens = 6;
constexpr int64_t kWidth = 4;

struct Shape {
  int64_t experts = 5;
  int64_t inner = 7;
  int64_t top_k = 2;
};

ir::WeightSource stack_of(const std::string& matrix, int64_t experts) {
  std::vector<ir::WeightSource> parts;
  for (int64_t expert = 0; expert < experts; ++expert) {
    parts.push_back(ir::WeightSource::from_tensor(str(matrix, ".", expert)));
  }
  return ir::WeightSource::stack(std::move(parts));
}

// y = x + experts(x).
ir::Graph experts_graph(const Shape& shape = {}) {
  const auto [experts, inner, top_k] = shape;
  ir::Graph graph("experts");
  const auto f32 = [](std::vector<ir::Dim> dims) {
    return ir::TensorType{DType::kF32, std::move(dims)};
  };
  const ir::ValueId x = graph.add_input("x", f32({"t", kWidth}));
  const ir::ValueId router = graph.add_weight("router.weight", f32({experts, kWidth}),
                                              ir::WeightSource::from_tensor("router"));
  const ir::ValueId gate =
      graph.add_weight("gate", f32({experts, inner, kWidth}), stack_of("gate", experts));
  const ir::ValueId up =
      graph.add_weight("up", f32({experts, inner, kWidth}), stack_of("up", experts));
  const ir::ValueId down =
      graph.add_weight("down", f32({experts, kWidth, inner}), stack_of("down", experts));
  ir::Attributes routing;
  routing.set("top_k", top_k);
  routing.set("normalize", int64_t{1});
  const ir::ValueId shares =
      ops::add_op(graph, "router", {x, router}, {.name = "router", .attributes = routing});
  ir::Attributes attributes;
  attributes.set("top_k", top_k);
  const ir::ValueId sum = ops::add_op(graph, "experts", {x, shares, gate, up, down},
                                      {.name = "experts", .attributes = attributes});
  graph.set_outputs({ops::add_op(graph, "add", {x, sum}, {.name = "y"})});
  return graph;
}

MemoryModel experts_model(const Shape& shape = {}) {
  const auto [experts, inner, top_k] = shape;
  MemoryModel model;
  model.sizes = {{"t", kTokens}};
  std::mt19937 random(3);
  std::uniform_real_distribution<float> distribution(-1, 1);
  const auto add = [&](const std::string& name, std::vector<ir::Dim> dims, int64_t count) {
    std::vector<float>& values = model.floats[name];
    for (int64_t i = 0; i < count; ++i) values.push_back(distribution(random));
    model.tensors[name] = {DType::kF32, std::move(dims)};
  };
  add("x", {"t", kWidth}, kTokens * kWidth);
  add("router", {experts, kWidth}, experts * kWidth);
  for (int64_t expert = 0; expert < experts; ++expert) {
    add(str("gate.", expert), {inner, kWidth}, inner * kWidth);
    add(str("up.", expert), {inner, kWidth}, inner * kWidth);
    add(str("down.", expert), {kWidth, inner}, kWidth * inner);
  }
  return model;
}

// Runs the plan in which the experts get the given choice of factors and the rest is replicated.
plan::Plan plan_with(const ir::Graph& graph,
                     const std::string& mesh,
                     const std::vector<int>& axes) {
  const auto choose = [&](const ir::Node& node, const spec::Notation& notation,
                          const spec::Mesh& on) {
    const std::vector<int> none(static_cast<size_t>(on.axis_count()), spec::Strategy::kNone);
    return spec::make_strategy(notation, on, node.name == "experts" ? axes : none);
  };
  return partition::TestPlanner(graph, partition::one_stage(graph, mesh), choose).make();
}

class ExpertsRun : public testing::TestWithParam<const char*> {};

// Every strategy of the experts: more ranks than experts (8 > 5) leave ranks without any.
TEST_P(ExpertsRun, EveryCutEqualsTheUncutRun) {
  const ir::Graph graph = experts_graph();
  const MemoryModel model = experts_model();
  const std::vector<float> expected = run_whole(graph, model).at(0);
  const ir::Node& experts = graph.node(1);
  ASSERT_EQ(experts.name, "experts");
  const spec::Mesh mesh = spec::Mesh::parse(GetParam());
  const spec::Notation notation = ops::notation_of(graph, experts);
  int cuts = 0;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    // A router is never a sum, so no plan passes its Partial on.
    if (std::ranges::any_of(strategy.axis_factor, [](int choice) { return choice < -1; })) continue;
    const std::string what = to_string(strategy, notation, mesh);
    const plan::Plan plan = plan_with(graph, GetParam(), strategy.axis_factor);
    for (const StepOutputs& outputs : run_ranks(graph, plan, model)) {
      ASSERT_EQ(outputs.at(0).size(), expected.size()) << what;
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(outputs[0][i], expected[i], 1e-5F * (1 + std::abs(expected[i]))) << what;
      }
    }
    ++cuts;
  }
  // Per axis: none, d, e or f.
  EXPECT_EQ(cuts, mesh.axis_count() == 1 ? 4 : mesh.axis_count() == 2 ? 16 : 64);
}

INSTANTIATE_TEST_SUITE_P(
    Meshes,
    ExpertsRun,
    testing::Values("ep=2", "ep=3", "tp=8", "ep=2,tp=2", "ep=3,tp=2", "dp=2,ep=2,tp=2"),
    [](const auto& row) {
      std::string name = row.param;
      std::erase_if(name, [](char c) { return c == ',' || c == '='; });
      return name;
    });

// The cheapest plan: what the sizes leave to cut decides. The strategy of the experts by name.
std::string planned_cut(const ir::Graph& graph, const std::string& mesh, plan::Plan& plan) {
  const planner::PlanRequest request = {
      .graph = graph,
      .mesh = spec::Mesh::parse(mesh),
      .profile = cost::load_profile(std::filesystem::path(PARTITA_SOURCE_DIR) /
                                    "tests/data/devices/test-cpu.toml")};
  plan = std::get<plan::Plan>(planner::make_plan(request));
  for (const plan::OpDecision& op : plan.ops) {
    if (op.node != "experts") continue;
    const spec::Strategy strategy{.axis_factor = op.axis_factor, .inputs = {}, .outputs = {}};
    return to_string(strategy, ops::notation_of(graph, graph.node(1)), plan.stages[0].mesh);
  }
  return "replicated";
}

struct Planned {
  Shape shape;
  std::string mesh;
  std::string cut;
};

TEST(PlannedExperts, AreCutByExpertInsideOrBothAsTheirSizesAsk) {
  const std::vector<Planned> cases = {
      {{.experts = 4, .inner = 1, .top_k = 2}, "ep=2", "e:ep"},
      {{.experts = 1, .inner = 8, .top_k = 1}, "tp=4", "f:tp"},
      {{.experts = 2, .inner = 2, .top_k = 2}, "ep=2,tp=2", "e:ep f:tp"},
      {{.experts = 3, .inner = 9, .top_k = 1}, "a=9", "f:a"},  // more ranks than experts
  };
  for (const Planned& row : cases) {
    const ir::Graph graph = experts_graph(row.shape);
    const MemoryModel model = experts_model(row.shape);
    plan::Plan plan;
    std::string cut = planned_cut(graph, row.mesh, plan);
    if (cut == "f:ep e:tp") cut = "e:ep f:tp";  // as good
    EXPECT_EQ(cut, row.cut) << row.mesh;
    const std::vector<float> expected = run_whole(graph, model).at(0);
    for (const StepOutputs& outputs : run_ranks(graph, plan, model)) {
      ASSERT_EQ(outputs.at(0).size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(outputs[0][i], expected[i], 1e-5F * (1 + std::abs(expected[i]))) << row.cut;
      }
    }
  }
}

std::set<std::string> tensors_of_rank(const plan::Plan& plan, const ir::Graph& graph, int rank) {
  std::set<std::string> names;
  const partition::RankProgram program = partition::partition_rank(graph, plan, rank);
  for (const ir::Value& value : program.graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    for (const std::string& name : ir::tensors_of(value.source)) names.insert(name);
  }
  return names;
}

TEST(ExpertsRun, ARankReadsItsOwnExpertsOnly) {
  const ir::Graph graph = experts_graph();
  const spec::Notation notation = ops::notation_of(graph, graph.node(1));
  const auto factor = std::ranges::find(notation.factors, "e", &spec::Factor::name);
  const auto e = static_cast<int>(factor - notation.factors.begin());
  const plan::Plan plan = plan_with(graph, "ep=2", {e});
  EXPECT_EQ(
      tensors_of_rank(plan, graph, 1),
      (std::set<std::string>{"router", "gate.3", "gate.4", "up.3", "up.4", "down.3", "down.4"}));
}

}  // namespace
}  // namespace partita::api
