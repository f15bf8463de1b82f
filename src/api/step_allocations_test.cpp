// SPDX-License-Identifier: Apache-2.0
// What a step of a rank allocates once it is warm: nothing but the small books of oneDNN.
#include <gtest/gtest.h>

#include <barrier>
#include <exception>
#include <map>
#include <thread>

#include "api/rank_runner.h"
#include "api/small_checkpoint.h"
#include "comm/local/local.h"
#include "formats/test_directory.h"
#include "importer/importer.h"
#include "partition/test_plan.h"
#include "passes/quantize_weights.h"
#include "runtime/counting_new.h"
#include "support/error.h"

namespace partita::api {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(PARTITA_SOURCE_DIR) / "tests" / "golden" / "llama_gqa_tied";
constexpr int kRanks = 2;
constexpr int kSteps = 20;

// One decode step of two sequences.
engine::StepBatch decode_step() {
  return {.token_ids = {7, 8},
          .positions = {5, 3},
          .sequence_ids = {0, 1},
          .block_tables = {1, 0},
          .sequences = 2,
          .blocks_per_sequence = 1,
          .logit_rows = {0, 1}};
}

plan::Plan split_plan(const ir::Graph& graph) {
  plan::Plan plan =
      partition::TestPlanner(graph, partition::one_stage(graph, "tp=2"),
                             partition::split_factors({{"layers.0.attn.o_proj", "k"},
                                                       {"layers.0.mlp.down_proj", "k"},
                                                       {"layers.1.attn.o_proj", "k"}}))
          .make();
  plan.workload = {.concurrency = 2, .max_context = 16, .max_step_tokens = 16, .block_size = 16};
  return plan;
}

std::map<std::string, int64_t> count_ops(const ir::Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const ir::Node& node : graph.nodes()) ++counts[node.op];
  return counts;
}

// Runs both ranks; returns what all threads together allocate in kSteps warm steps.
int64_t allocations_of_warm_steps(const ir::Graph& graph,
                                  const plan::Plan& plan,
                                  const std::filesystem::path& model) {
  auto worlds = comm::make_local_group(kRanks);
  const engine::StepBatch batch = decode_step();
  int64_t before = 0;
  int64_t after = 0;
  std::barrier meet(kRanks);
  std::vector<std::exception_ptr> errors(kRanks);
  const auto serve = [&](int rank) {
    const formats::Checkpoint checkpoint = formats::Checkpoint::open(model);
    RankRunner runner(make_rank_part(graph, plan, rank), checkpoint,
                      *worlds[static_cast<size_t>(rank)]);
    for (int step = 0; step < 3; ++step) (void)runner.run(batch);
    meet.arrive_and_wait();
    if (rank == 0) before = runtime::allocations_so_far();
    meet.arrive_and_wait();
    for (int step = 0; step < kSteps; ++step) (void)runner.run(batch);
    meet.arrive_and_wait();
    if (rank == 0) after = runtime::allocations_so_far();
    meet.arrive_and_wait();
  };
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          serve(rank);
        } catch (...) {
          errors[static_cast<size_t>(rank)] = std::current_exception();
          for (const auto& world : worlds) world->cancel();
          (void)meet.arrive_and_drop();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return after - before;
}

TEST(StepAllocations, WarmStepsOfAllRanksAllocateOnlyInsideTheLibrary) {
  const ir::Graph graph = importer::import_model(kModel).graph;
  const plan::Plan plan = split_plan(graph);
  const auto ops = count_ops(make_rank_part(graph, plan, 0).program.graph);
  // The program is one that sums over ranks, fused with residual and norm.
  ASSERT_TRUE(ops.contains("all_reduce_add_rms_norm"));
  ASSERT_TRUE(ops.contains("gated"));
  ASSERT_TRUE(ops.contains("linear"));
  // oneDNN keeps small books of its own in each product (6 allocations in 2.6).
  EXPECT_LE(allocations_of_warm_steps(graph, plan, kModel), kRanks * kSteps * ops.at("linear") * 8);
}

TEST(StepAllocations, WarmStepsWithWeightsInBlocksAllocateNothing) {
  const formats::TestDirectory folder;
  write_small(small_llama(), folder.path() / "model");
  const ir::Graph plain = importer::import_model(folder.path() / "model").graph;
  const ir::Graph graph = passes::quantize_weights(plain, DType::kQ8_0).graph;
  const plan::Plan plan = split_plan(graph);
  const ir::Graph program = make_rank_part(graph, plan, 0).program.graph;
  // Attention rotates; norms and gates quantise rows; what attention gives is quantised apart.
  const auto ops = count_ops(program);
  ASSERT_TRUE(ops.contains("quantize_rows"));
  ASSERT_FALSE(ops.contains("rope"));
  EXPECT_EQ(allocations_of_warm_steps(graph, plan, folder.path() / "model"), 0);
}

}  // namespace
}  // namespace partita::api
