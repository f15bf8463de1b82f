// SPDX-License-Identifier: Apache-2.0
// The proof of partition and runtime: random graphs under random legal plans give what the uncut
// graph gives.
#include <gtest/gtest.h>

#include <cmath>

#include "api/random_graph.h"
#include "api/virtual_ranks.h"
#include "partition/test_plan.h"

namespace partita::api {
namespace {

// Sums in another order: relative to the largest value of the tensor.
void expect_close(const std::vector<float>& found,
                  const std::vector<float>& expected,
                  const std::string& where) {
  ASSERT_EQ(found.size(), expected.size()) << where;
  float largest = 1;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 2e-5F * largest) << where << " element " << i;
  }
}

void expect_same_result(const ir::Graph& graph,
                        const plan::Plan& plan,
                        const MemoryModel& model,
                        const std::string& where) {
  const StepOutputs expected = run_whole(graph, model);
  const std::vector<StepOutputs> found = run_ranks(graph, plan, model);
  for (const int rank : plan.stages.back().mesh.ranks()) {
    const StepOutputs& outputs = found[static_cast<size_t>(rank)];
    ASSERT_EQ(outputs.size(), expected.size()) << where;
    for (size_t i = 0; i < expected.size(); ++i) {
      expect_close(outputs[i], expected[i], str(where, " rank ", rank, " output ", i));
    }
  }
}

struct Layout {
  std::vector<std::string> meshes;  // one per stage
};

const Layout kLayouts[] = {
    {{"tp=2"}},
    {{"tp=3"}},
    {{"tp=4"}},
    {{"dp=2,tp=2"}},
    {{"dp=2,tp=3"}},
    {{"tp=2", "tp=2"}},
    {{"tp=1", "tp=1"}},
    {{"tp=2", "tp=3", "tp=1"}},
    {{"a=2,b=2", "a=2,b=2"}},
    {{"tp=3", "a=2,b=2"}},
    {{"tp=2", "tp=1"}},
    {{"tp=1", "tp=3"}},
    {{"tp=2", "tp=1", "tp=2"}},
    {{"a=2,b=2", "tp=2"}},
};

std::vector<plan::Stage> make_stages(const ir::Graph& graph,
                                     const Layout& layout,
                                     std::mt19937& random) {
  const auto nodes = static_cast<int64_t>(graph.nodes().size());
  std::vector<int64_t> cuts = {0, nodes};
  for (size_t i = 1; i < layout.meshes.size(); ++i)
    cuts.push_back(static_cast<int64_t>(random() % (nodes + 1)));
  std::ranges::sort(cuts);
  std::vector<plan::Stage> stages;
  int next_rank = 0;
  for (size_t i = 0; i < layout.meshes.size(); ++i) {
    const spec::Mesh mesh = spec::Mesh::parse(layout.meshes[i]);
    std::vector<int> ranks;
    for (int64_t cell = 0; cell < mesh.size(); ++cell) ranks.push_back(next_rank++);
    stages.push_back({cuts[i], cuts[i + 1], spec::Mesh(mesh.axes(), ranks)});
  }
  return stages;
}

class ShardedRun : public testing::TestWithParam<unsigned> {};

// Every plan goes through its file form, so that what is run is what a file says. 14 layouts x 25
// graphs.
TEST_P(ShardedRun, EqualsTheUncutRun) {
  const Layout& layout = kLayouts[GetParam()];
  for (unsigned seed = 0; seed < 25; ++seed) {
    std::mt19937 random(seed * 31 + GetParam());
    RandomGraph source(seed * 100 + GetParam());
    source.grow(4 + static_cast<int>(seed % 12));
    const ir::Graph& graph = source.graph();
    plan::Plan plan = partition::TestPlanner(graph, make_stages(graph, layout, random),
                                             partition::random_strategies(random))
                          .make();
    // Every third plan lists no reshards, as one edited by hand: they are found.
    if (seed % 3 == 2) plan.reshards.clear();
    const std::string where =
        str("layout ", GetParam(), " seed ", seed, "\n", ir::print_graph(graph));
    try {
      plan::validate(plan, graph);
      const Json json = plan::to_json(plan, graph);
      EXPECT_EQ(plan, plan::plan_from_json(json, graph, "plan.json")) << where;
      plan = plan::plan_from_json(json, graph, "plan.json");
      expect_same_result(graph, plan, source.model(), where);
    } catch (const Error& error) {
      FAIL() << error.what() << "\n" << where;
    }
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts,
                         ShardedRun,
                         testing::Range(0U, static_cast<unsigned>(std::size(kLayouts))));

// All ranks of the last stage end with the same bits, and repeat them.
TEST(ShardedRun, RanksAndRunsAgreeInEveryBit) {
  std::mt19937 random(7);
  RandomGraph source(7);
  source.grow(12);
  const plan::Plan plan =
      partition::TestPlanner(source.graph(), partition::one_stage(source.graph(), "a=2,b=2"),
                             partition::random_strategies(random))
          .make();
  const auto first = run_ranks(source.graph(), plan, source.model());
  const auto second = run_ranks(source.graph(), plan, source.model());
  EXPECT_EQ(first, second);
  for (size_t rank = 1; rank < first.size(); ++rank) EXPECT_EQ(first[rank], first[0]);
}

}  // namespace
}  // namespace partita::api
