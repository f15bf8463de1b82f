// SPDX-License-Identifier: Apache-2.0
// The problems behind a plan have the plan's cost as their optimum.
#include "planner/stages/stage_programs.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "importer/importer.h"
#include "planner/phases.h"
#include "planner/solvers/eliminate.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

double optimum_of(const std::vector<Problem>& programs) {
  double cost = 0;
  for (const Problem& program : programs) {
    const Solution solution = EliminationSolver(10).solve(program);
    EXPECT_TRUE(solution.feasible);
    EXPECT_EQ(solution.cost, solution.lower_bound);
    cost += static_cast<double>(solution.cost);
  }
  return cost;
}

// Of the average step, in picoseconds, without handing over between stages.
double cost_of(const plan::Plan& plan, const ir::Graph& graph) {
  PhaseSeconds seconds;
  for (const plan::Stage& stage : plan.stages) {
    const plan::CostTerms& terms = stage.predicted;
    seconds += {terms.decode_compute_s + terms.decode_comm_s,
                terms.prefill_compute_s + terms.prefill_comm_s};
  }
  return static_cast<double>(phases_of(plan.workload, graph, plan.replicas).cost(seconds));
}

TEST(StagePrograms, OptimumIsTheCostOfThePlan) {
  const ir::Graph graph =
      importer::import_model(data("configs/gpt2"), {.weight_dtype = DType::kBF16}).graph;
  struct Case {
    const char* devices;
    const char* mesh;
    size_t stages;
  };
  for (const Case& one :
       {Case{"unlike-cpu.toml", "rank=4", 1}, Case{"unlike-cpu.toml", "pp=2,tp=2", 2},
        Case{"test-cpu.toml", "tp=2", 1}, Case{"test-cpu.toml", "pp=3", 3}}) {
    const PlanRequest request = {.graph = graph,
                                 .mesh = spec::Mesh::parse(one.mesh),
                                 .profile = cost::load_profile(data("devices") / one.devices),
                                 .dtype = "bf16"};
    const auto plan = std::get<plan::Plan>(make_plan(request));
    const std::vector<Problem> programs = stage_programs(request, plan);
    EXPECT_EQ(programs.size(), one.stages);
    const double expected = cost_of(plan, graph);
    // Every node and edge is rounded to a picosecond of its own.
    EXPECT_NEAR(optimum_of(programs), expected, expected * 1e-6) << one.mesh;
  }
}

// Where devices are unlike the better way to share is exported.
TEST(StagePrograms, UnlikeDevicesShareInTheBestWay) {
  const ir::Graph graph =
      importer::import_model(data("configs/llama-3.2-1b"), {.weight_dtype = DType::kBF16}).graph;
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh::parse("rank=4"),
                         .profile = cost::load_profile(data("devices/unlike-cpu.toml")),
                         .dtype = "bf16"};
  const auto plan = std::get<plan::Plan>(make_plan(request));
  const double best = optimum_of(stage_programs(request, plan));
  request.equal_shares = true;
  EXPECT_GT(optimum_of(stage_programs(request, std::get<plan::Plan>(make_plan(request)))),
            best * 1.05);
}

}  // namespace
}  // namespace partita::planner
