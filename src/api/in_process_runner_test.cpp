// SPDX-License-Identifier: Apache-2.0
// Language models on virtual ranks: any plan, several steps, failures, reports.
#include "api/in_process_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>

#include "api/step_binding.h"
#include "importer/importer.h"
#include "partition/test_plan.h"
#include "support/error.h"

namespace partita::api {
namespace {

using testing::HasSubstr;

const std::filesystem::path kGolden =
    std::filesystem::path(PARTITA_SOURCE_DIR) / "tests" / "golden";

plan::Plan complete(plan::Plan plan) {
  plan.workload = {.concurrency = 2, .max_context = 32, .max_step_tokens = 16, .block_size = 16};
  return plan;
}

plan::Plan whole_plan(const ir::Graph& graph, const std::string& mesh) {
  return complete(
      partition::TestPlanner(graph, partition::one_stage(graph, mesh), partition::split_factors({}))
          .make());
}

OpenCheckpoint opener(const std::filesystem::path& directory) {
  return [directory](int) { return formats::Checkpoint::open(directory); };
}

// Two sequences: prefill of 5 and 3 tokens, then a decode step of both, then one more chunk of the
// first.
std::vector<engine::StepBatch> three_steps() {
  engine::StepBatch prefill{.token_ids = {3, 1, 4, 1, 5, 9, 2, 6},
                            .positions = {0, 1, 2, 3, 4, 0, 1, 2},
                            .sequence_ids = {0, 0, 0, 0, 0, 1, 1, 1},
                            .block_tables = {2, 0},
                            .sequences = 2,
                            .blocks_per_sequence = 1,
                            .logit_rows = {4, 7}};
  engine::StepBatch decode{.token_ids = {7, 8},
                           .positions = {5, 3},
                           .sequence_ids = {0, 1},
                           .block_tables = {2, 0},
                           .sequences = 2,
                           .blocks_per_sequence = 1,
                           .logit_rows = {0, 1}};
  engine::StepBatch chunk{.token_ids = {2, 2, 2},
                          .positions = {6, 7, 8},
                          .sequence_ids = {0, 0, 0},
                          .block_tables = {2},
                          .sequences = 1,
                          .blocks_per_sequence = 1,
                          .logit_rows = {0, 1, 2}};
  return {prefill, decode, chunk};
}

std::vector<float> logits_of(engine::StepRunner& runner) {
  std::vector<float> all;
  for (const engine::StepBatch& batch : three_steps()) {
    const std::vector<float> logits = runner.run(batch).logits;
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

void expect_close(const std::vector<float>& found,
                  const std::vector<float>& expected,
                  const std::string& where) {
  ASSERT_EQ(found.size(), expected.size()) << where;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-4 * (1 + std::abs(expected[i])))
        << where << " element " << i;
  }
}

class ModelRun : public testing::TestWithParam<const char*> {};

// Random strategies for every op of a real model: KV caches and heads cut unevenly, everything else
// anyhow.
TEST_P(ModelRun, AnyPlanGivesTheLogitsOfOneRank) {
  const auto directory = kGolden / GetParam();
  const importer::ImportedModel model = importer::import_model(directory);
  const auto one =
      make_in_process_runner(model.graph, whole_plan(model.graph, "tp=1"), opener(directory));
  const std::vector<float> expected = logits_of(*one);
  EXPECT_EQ(expected.size(), static_cast<size_t>(7 * model.info.vocab_size));
  unsigned seed = 0;
  for (const char* mesh : {"tp=2", "tp=3", "tp=5", "dp=2,tp=2", "tp=2x2"}) {
    std::mt19937 random(++seed);
    const plan::Plan plan =
        complete(partition::TestPlanner(model.graph, partition::one_stage(model.graph, mesh),
                                        partition::random_strategies(random))
                     .make());
    const auto runner = make_in_process_runner(model.graph, plan, opener(directory));
    expect_close(logits_of(*runner), expected, str(GetParam(), " ", mesh));
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Goldens,
    ModelRun,
    testing::Values("gpt2_tied", "gpt2_25heads", "llama_gqa_tied", "llama_odd", "llama_mqa"));

class TinyModel : public testing::Test {
 protected:
  std::filesystem::path directory_ = kGolden / "llama_gqa_tied";
  importer::ImportedModel model_ = importer::import_model(directory_);
};

TEST_F(TinyModel, ReportsCountWhatEachRankDid) {
  int64_t last_done = 0;
  InProcessOptions options;
  options.on_progress = [&](int rank, int64_t done, int64_t total) {
    EXPECT_LE(done, total);
    if (rank == 0) last_done = done;
  };
  const plan::Plan plan = whole_plan(model_.graph, "tp=2");
  const auto runner = make_in_process_runner(model_.graph, plan, opener(directory_), options);
  (void)logits_of(*runner);
  const std::vector<engine::RankReport> reports = runner->report();
  ASSERT_EQ(reports.size(), 2U);
  for (int rank = 0; rank < 2; ++rank) {
    const engine::RankReport& report = reports[static_cast<size_t>(rank)];
    EXPECT_EQ(report.rank, rank);
    EXPECT_EQ(report.steps, 3);
    EXPECT_GT(report.weight_bytes, 0);
    EXPECT_GT(report.kv_bytes, 0);
    EXPECT_GE(report.bytes_read, report.weight_bytes);
    EXPECT_TRUE(report.collectives.empty());  // everything is replicated
    const auto is_attention = [](const engine::OpReport& row) { return row.op == "attention"; };
    const auto attention = std::find_if(report.ops.begin(), report.ops.end(), is_attention);
    ASSERT_NE(attention, report.ops.end());
    EXPECT_EQ(attention->calls, 3 * model_.info.layers);
  }
  EXPECT_EQ(last_done, reports[0].weight_bytes);
}

TEST_F(TinyModel, LimitsComeFromThePlan) {
  const engine::RunnerLimits limits = limits_of(model_.graph, whole_plan(model_.graph, "tp=1"));
  EXPECT_EQ(limits.vocab_size, model_.info.vocab_size);
  EXPECT_EQ(limits.max_context, 32);
  EXPECT_EQ(limits.max_step_tokens, 16);
  EXPECT_EQ(limits.max_sequences, 2);
  EXPECT_EQ(limits.kv_blocks, 4);
  EXPECT_EQ(limits.block_size, 16);
}

// A step that one rank refuses ends the others at once; the cause is thrown, not the cancellation
// of its victims.
TEST_F(TinyModel, AFailedStepNamesTheCauseAndEndsTheRunner) {
  std::mt19937 random(3);
  const plan::Plan plan =
      complete(partition::TestPlanner(model_.graph, partition::one_stage(model_.graph, "tp=3"),
                                      partition::random_strategies(random))
                   .make());
  const auto runner = make_in_process_runner(model_.graph, plan, opener(directory_));
  engine::StepBatch batch = three_steps()[0];
  batch.positions.pop_back();
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      (void)runner->run(batch);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr("\"positions\" has 7 elements"));
    }
  }
}

// The caller's code runs on the caller's thread: never at once, and free to throw.
TEST_F(TinyModel, ProgressIsToldOnTheCallersThread) {
  const plan::Plan plan = whole_plan(model_.graph, "tp=2");
  InProcessOptions options;
  std::set<std::thread::id> threads;
  options.on_progress = [&](int, int64_t, int64_t) { threads.insert(std::this_thread::get_id()); };
  (void)make_in_process_runner(model_.graph, plan, opener(directory_), options);
  EXPECT_EQ(threads, std::set<std::thread::id>{std::this_thread::get_id()});
  options.on_progress = [&](int, int64_t, int64_t) { throw std::range_error("enough"); };
  EXPECT_THROW((void)make_in_process_runner(model_.graph, plan, opener(directory_), options),
               std::range_error);
}

TEST_F(TinyModel, ACheckpointThatDoesNotOpenIsThrownByTheConstructor) {
  const plan::Plan plan = whole_plan(model_.graph, "tp=2");
  try {
    (void)make_in_process_runner(model_.graph, plan, opener(directory_ / "nowhere"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

// Only rank 1 fails: the others wait for it in a collective and are cancelled.
TEST_F(TinyModel, OneRankThatFailsToLoadEndsAll) {
  const plan::Plan plan = whole_plan(model_.graph, "tp=2");
  const OpenCheckpoint open = [&](int rank) {
    if (rank == 1) throw Error(ErrorCode::kSystem, "[file] rank 1 has no disk");
    return formats::Checkpoint::open(directory_);
  };
  try {
    (void)make_in_process_runner(model_.graph, plan, open);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRankFailed);
    EXPECT_THAT(error.what(), HasSubstr("no disk"));
  }
}

TEST_F(TinyModel, ARankWithoutMemoryKeepsItsErrorClass) {
  const plan::Plan plan = whole_plan(model_.graph, "tp=2");
  const OpenCheckpoint open = [&](int rank) {
    if (rank == 1) throw std::bad_alloc();
    return formats::Checkpoint::open(directory_);
  };
  try {
    (void)make_in_process_runner(model_.graph, plan, open);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_THAT(error.what(), HasSubstr("rank 1"));
  }
}

}  // namespace
}  // namespace partita::api
