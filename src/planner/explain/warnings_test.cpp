// SPDX-License-Identifier: Apache-2.0
// Operators that nothing can cut run whole on every rank, and the plan says so.
#include "planner/explain/warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "planner/explain/summary.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// [8, 6] to [3, 16]: no factor of one side is one of the other.
constexpr const char* kGraph = R"(graph "odd" {
  input %x : f32[8,4]
  weight %w : f32[6,4] = tensor("w")
  %y : f32[8,6] = linear(%x, %w)
  %odd : f32[3,16] = reshape(%y) {shape = [3,16]}
  %z : f32[3,16] = relu(%odd)
  return %z
}
)";

plan::Plan planned(const ir::Graph& graph, const char* mesh) {
  const auto devices =
      std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/devices/h100-4x8.toml";
  const PlanResult result = make_plan(
      {.graph = graph, .mesh = spec::Mesh::parse(mesh), .profile = cost::load_profile(devices)});
  return std::get<plan::Plan>(result);
}

TEST(Warnings, NameTheOperatorsThatNothingCanCut) {
  const ir::Graph graph = ir::parse_graph(kGraph);
  const plan::Plan plan = planned(graph, "tp=2");
  EXPECT_THAT(warnings_of(plan, graph),
              ElementsAre("reshape cannot be cut and runs whole on every rank: odd"));
  EXPECT_THAT(explain(plan, graph), HasSubstr("warning    reshape cannot be cut"));
  for (const plan::OpDecision& op : plan.ops) {
    if (op.node == "odd") {
      EXPECT_THAT(op.axis_factor, ElementsAre(-1));
    }
  }
}

TEST(Warnings, AreNotNeededOnOneRank) {
  const ir::Graph graph = ir::parse_graph(kGraph);
  const plan::Plan plan = planned(graph, "tp=1");
  EXPECT_THAT(warnings_of(plan, graph), IsEmpty());
  EXPECT_THAT(explain(plan, graph), Not(HasSubstr("warning")));
}

}  // namespace
}  // namespace partita::planner
