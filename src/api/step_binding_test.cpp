// SPDX-License-Identifier: Apache-2.0
// Which batches a rank accepts.
#include "api/step_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "support/error.h"

namespace partita::api {
namespace {

using testing::HasSubstr;

constexpr engine::RunnerLimits kLimits{.vocab_size = 10,
                                       .max_context = 10,
                                       .max_step_tokens = 8,
                                       .max_sequences = 2,
                                       .kv_blocks = 6,
                                       .block_size = 4};

// A chunk of three tokens at positions 3 .. 5 and a decode step at position 9.
engine::StepBatch good_batch() {
  return {.token_ids = {1, 2, 9, 0},
          .positions = {3, 4, 5, 9},
          .sequence_ids = {0, 0, 0, 1},
          .block_tables = {5, 0, -1, 1, 2, 3},
          .sequences = 2,
          .blocks_per_sequence = 3,
          .logit_rows = {2, 3}};
}

TEST(CheckBatch, AcceptsWhatTheSchedulerMakes) {
  EXPECT_NO_THROW(check_batch(good_batch(), kLimits));
}

TEST(CheckBatch, NamesTheFirstValueThatIsOutOfRange) {
  struct Row {
    std::function<void(engine::StepBatch&)> spoil;
    const char* message;
  };
  const std::vector<Row> rows = {
      {[](auto& b) { b = engine::StepBatch{}; }, "number of tokens is 0"},
      {[](auto& b) { b.token_ids.resize(9); }, "number of tokens is 9; expected 1 .. 8"},
      {[](auto& b) { b.token_ids[1] = 10; }, "token id is 10; expected 0 .. 9"},
      {[](auto& b) { b.token_ids[1] = -1; }, "token id is -1"},
      {[](auto& b) { b.positions.pop_back(); }, "positions has 3 elements; expected 4"},
      {[](auto& b) { b.sequence_ids.push_back(0); }, "sequence_ids has 5"},
      {[](auto& b) { b.sequence_ids[0] = 2; }, "sequence id is 2"},
      {[](auto& b) { b.sequence_ids[0] = -1; }, "sequence id is -1"},
      {[](auto& b) { b.positions[3] = 10; }, "position is 10; expected 0 .. 9"},
      {[](auto& b) { b.positions[0] = -1; }, "position is -1"},
      {[](auto& b) { b.positions[2] = 8; }, "position is 8; expected 0 .. 7"},  // no third block
      {[](auto& b) { b.block_tables[0] = -1; }, "position is 3; expected 0 .. -1"},  // a hole
      {[](auto& b) { b.block_tables[1] = 6; }, "block number is 6; expected -1 .. 5"},
      {[](auto& b) { b.block_tables[1] = -2; }, "block number is -2"},
      {[](auto& b) { b.block_tables.pop_back(); }, "block_tables has 5 elements; expected 6"},
      {[](auto& b) { b.sequences = 3; }, "number of sequences is 3"},
      {[](auto& b) { b.blocks_per_sequence = 4; }, "blocks per sequence is 4; expected 1 .. 3"},
      {[](auto& b) { b.logit_rows = {4}; }, "logit row is 4; expected 0 .. 3"},
      {[](auto& b) {
         b.logit_rows = {2, 2};
       },
       "logit row is 2; expected 3 .. 3"},
  };
  for (const Row& row : rows) {
    engine::StepBatch batch = good_batch();
    row.spoil(batch);
    try {
      check_batch(batch, kLimits);
      ADD_FAILURE() << "accepted; expected: " << row.message;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(e.what(), HasSubstr(row.message));
    }
  }
}

TEST(MaxSizes, ACacheOfMoreBlocksThanCanBeNumberedIsRefused) {
  plan::Plan plan;
  plan.workload.max_context = INT64_MAX;
  plan.workload.concurrency = INT64_MAX;
  plan.workload.block_size = 1;
  EXPECT_THROW((void)max_sizes_of(plan), Error);
}

TEST(MaxSizes, ReplicasShareTheSequences) {
  plan::Plan plan;
  plan.workload = {.concurrency = 5, .max_context = 32, .max_step_tokens = 3, .block_size = 16};
  plan.replicas = 2;
  const ir::SymbolSizes sizes = max_sizes_of(plan);
  EXPECT_EQ(sizes.at("s"), 3);
  EXPECT_EQ(sizes.at("c"), 6);
}

// A plan.json edited by hand; the caches are as the graph says.
TEST(Limits, BlocksOfAnotherSizeThanTheCachesAreRefused) {
  const ir::Graph graph = ir::parse_graph(R"(graph "attn" {
  input %q : f32[t,2,8]
  input %positions : i32[t]
  input %sequence_ids : i32[t]
  input %block_tables : i32[s,m]
  state %k_cache : f32[2,c,8,16]
  state %v_cache : f32[2,c,16,8]
  %attn : f32[t,2,8] = attention(%q, %q, %q, %k_cache, %v_cache, %positions, %sequence_ids, %block_tables) {group = 1, scale = 0.5}
  %logits : f32[t,16] = reshape(%attn) {shape = [0,-1]}
  return %logits
}
)");
  plan::Plan plan;
  plan.stages.resize(1);
  plan.workload.block_size = 16;
  EXPECT_EQ(limits_of(graph, plan).block_size, 16);
  for (const int64_t size : {1, 8, 32}) {
    plan.workload.block_size = size;
    try {
      (void)limits_of(graph, plan);
      ADD_FAILURE() << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr("attn have blocks of 16 positions"));
    }
  }
}

}  // namespace
}  // namespace partita::api
