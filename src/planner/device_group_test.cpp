// SPDX-License-Identifier: Apache-2.0
// Unlike devices in one stage: how much each gets, and what that is worth.
#include "planner/device_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "importer/importer.h"
#include "planner/baselines/baselines.h"
#include "planner/cut_classes.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

ir::Graph model(const std::string& name) {
  const auto folder = std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/configs" / name;
  return importer::import_model(folder, {.weight_dtype = DType::kBF16}).graph;
}

cost::Device gpu(int64_t memory_gb, double speed) {
  cost::Device device;
  device.memory_bytes = memory_gb * 1'000'000'000;
  device.reserve_bytes = 2'000'000'000;
  device.memory_bandwidth = 3.35e12 * speed;
  device.f32_flops = 67e12 * speed;
  device.bf16_flops = 989e12 * speed;
  device.launch_s = 5e-6;
  return device;
}

// Devices 0, 1 of the first kind, 2, 3 of the second.
cost::Profile unlike(const cost::Device& first, const cost::Device& second) {
  cost::Profile profile;
  profile.name = "unlike";
  profile.axes = {{"gpu", 4}};
  profile.device = cost::weaker_of(first, second);
  profile.kinds = {{"first", {0, 1}, first}, {"second", {2, 3}, second}};
  profile.links = {{"gpu", 1e-6, 450e9}};
  return profile;
}

plan::Plan planned(const PlanRequest& request) {
  const PlanResult result = make_plan(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, infeasible->reason);
  }
  return std::get<plan::Plan>(result);
}

double step_seconds(const plan::Plan& plan) {
  return plan.predicted.decode_compute_s + plan.predicted.decode_comm_s;
}

const std::vector<Range>& pieces_of_value(const plan::Plan& plan, std::string_view name, int dim) {
  for (const auto& [value, spec] : plan.values) {
    if (value == name) return spec.dims[static_cast<size_t>(dim)].pieces;
  }
  throw Error(ErrorCode::kInvalidArgument, str("no value ", name));
}

TEST(PiecesByShare, LongestPieceForItsShareIsAsShortAsCanBe) {
  const std::vector<int64_t> two = {2};
  const std::vector<int64_t> four = {4};
  const std::vector<double> shares = {2, 1};
  EXPECT_EQ(pieces_of({.units = 9}, two, shares), (std::vector<Range>{{0, 6}, {6, 9}}));
  EXPECT_EQ(pieces_of({.units = 1}, two, shares), (std::vector<Range>{{0, 1}, {1, 1}}));
  // 8 KV groups of 4 heads of 128: whole groups, 3 + 3 + 1 + 1.
  const CutMember heads = {.units = 32, .multiply = 128, .divide = 1, .group = 4};
  EXPECT_EQ(pieces_of(heads, four, std::vector<double>{2, 2, 1, 1}),
            (std::vector<Range>{{0, 1536}, {1536, 3072}, {3072, 3584}, {3584, 4096}}));
}

TEST(PiecesByShare, EqualSharesAreTheBalancedPieces) {
  for (int64_t units = 1; units < 40; ++units) {
    const std::vector<int64_t> sizes = {2, 3};
    const CutMember member = {.units = units};
    EXPECT_EQ(pieces_of(member, sizes), spec::balanced_pieces(units, sizes));
    EXPECT_EQ(pieces_of(member, sizes, std::vector<double>(6, 0.7)), pieces_of(member, sizes));
  }
}

// Levels agree: what the major axis alone cuts is what both cut at its borders.
TEST(PiecesByShare, NestOverAxes) {
  const std::vector<double> fine = {2, 1, 4, 1};
  const auto outer = pieces_of({.units = 80}, std::vector<int64_t>{2}, std::vector<double>{3, 5});
  const auto both = pieces_of({.units = 80}, std::vector<int64_t>{2, 2}, fine);
  EXPECT_EQ(both, (std::vector<Range>{{0, 20}, {20, 30}, {30, 70}, {70, 80}}));
  EXPECT_EQ(outer, (std::vector<Range>{{0, 30}, {30, 80}}));
}

TEST(UnevenShares, HalfTheSpeedGetsHalfTheWorkAndThatPays) {
  const ir::Graph graph = model("llama-3-70b");
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh({{"tp", 4}}),
                         .profile = unlike(gpu(80, 1), gpu(80, 0.5)),
                         .dtype = "bf16"};
  const plan::Plan plan = planned(request);
  const auto& inner = pieces_of_value(plan, "layers.3.mlp.down_proj.weight", 1);
  ASSERT_EQ(inner.size(), 4U);
  EXPECT_NEAR(static_cast<double>(inner[0].size()) / static_cast<double>(inner[2].size()), 2, 1e-3);
  request.equal_shares = true;
  const plan::Plan equal = planned(request);
  EXPECT_GT(step_seconds(equal), 1.25 * step_seconds(plan));
  EXPECT_EQ(plan.gap, 0);
}

// Equal shares are 35 GB, more than the small devices have, less than the large ones.
TEST(UnevenShares, MemoryOfEachRankIsHeldToItsOwnDevice) {
  const ir::Graph graph = model("llama-3-70b");
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh({{"tp", 4}}),
                         .profile = unlike(gpu(80, 1), gpu(30, 1)),
                         .dtype = "bf16"};
  const plan::Plan plan = planned(request);
  for (size_t rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(plan.memory[rank].limit, (rank < 2 ? 80 : 30) * int64_t{1'000'000'000});
    EXPECT_LE(plan.memory[rank].excess(), 0) << rank;
  }
  for (const spec::Mesh& mesh : baseline_meshes(graph, 4)) {
    request.mesh = mesh;
    EXPECT_FALSE(price_baseline(request, Baseline::kEvenLayers).fits) << mesh.to_string();
  }
}

// The large devices hold more, and yet have more to spare.
TEST(UnevenShares, TheRankThatLacksMostIsNamed) {
  const ir::Graph graph = model("llama-3-70b");
  const PlanRequest request = {.graph = graph,
                               .mesh = spec::Mesh({{"tp", 4}}),
                               .profile = unlike(gpu(80, 1), gpu(10, 1)),
                               .dtype = "bf16",
                               .equal_shares = true};
  const PlanResult result = make_plan(request);
  ASSERT_TRUE(std::holds_alternative<Infeasible>(result));
  const Infeasible& infeasible = std::get<Infeasible>(result);
  EXPECT_GE(infeasible.rank, 2);
  EXPECT_EQ(infeasible.memory.limit, 10'000'000'000);
  EXPECT_GT(infeasible.shortfall_bytes, 0);
  EXPECT_THAT(infeasible.reason, HasSubstr("devices of 10"));
}

}  // namespace
}  // namespace partita::planner
