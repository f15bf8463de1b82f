// SPDX-License-Identifier: Apache-2.0
// What a step costs on the wire, by the counters, against formulas from the model's shape.
#include <gtest/gtest.h>

#include <algorithm>

#include "e2e/golden.h"
#include "support/json.h"

namespace partita::tests {
namespace {

constexpr int64_t kTokens = 64;

struct Shape {
  int64_t layers;
  int64_t hidden;
  int64_t vocab;
  bool is_tied;  // the embedding is the head too
};

Shape shape_of(const GoldenCase& golden, const Model& model) {
  const Json config = read_json(golden.directory / "config.json");
  const char* hidden_key = config.contains("n_embd") ? "n_embd" : "hidden_size";
  return {model.layers(), json_get<int64_t>(config, hidden_key, "config"), model.vocab_size(),
          config.value("tie_word_embeddings", hidden_key == std::string("n_embd"))};
}

CollectiveCost cost_of(const RankCost& rank, const std::string& kind) {
  for (const CollectiveCost& row : rank.collectives) {
    if (row.kind == kind) return row;
  }
  return {};
}

// One step over 64 tokens that asks for the logits of all of them.
std::vector<RankCost> one_step(const GoldenCase& golden, const Model& model, int ranks) {
  PlanOptions options = golden_plan_options("tp=" + std::to_string(ranks));
  options.max_step_tokens = kTokens;
  options.concurrency = kTokens;
  Engine engine(model, Plan::make(model, options), {.launcher = "threads", .threads_per_rank = 1});
  EXPECT_EQ(engine.logits(golden.inputs.at(0)).size(),
            static_cast<size_t>(kTokens * model.vocab_size()));
  return engine.report().ranks;
}

// Of one row, from all ranks: at most 64 of each one's even share of the vocabulary.
int64_t candidates_of(int64_t vocab, int64_t ranks) {
  int64_t sum = 0;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    sum += std::min<int64_t>(64, vocab * (rank + 1) / ranks - vocab * rank / ranks);
  }
  return sum;
}

class Costs : public testing::TestWithParam<std::string> {};

// Attention and MLP end in one partial sum each: two all-reduces per block. An embedding that is
// split because it is the head too adds one collective of the same tensor (an all-reduce when it is
// cut along the vocabulary, an all-gather when along the hidden dim), the logits are gathered once,
// and their candidates (values and ids).
TEST_P(Costs, ABlockCostsTwoAllReducesOfTheHiddenState) {
  const GoldenCase golden = golden_case(GetParam());
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  const Shape shape = shape_of(golden, model);
  const int64_t hidden_bytes = kTokens * shape.hidden * 4;
  for (const int ranks : {2, 3, 4}) {
    SCOPED_TRACE(ranks);
    for (const RankCost& rank : one_step(golden, model, ranks)) {
      const CollectiveCost reduces = cost_of(rank, "all_reduce");
      const CollectiveCost gathers = cost_of(rank, "all_gather");
      const int64_t for_embedding = reduces.calls - 2 * shape.layers;
      const int64_t gathers_of_embedding = (shape.is_tied ? 1 : 0) - for_embedding;
      EXPECT_GE(for_embedding, 0) << reduces.calls << " all-reduces";
      EXPECT_GE(gathers_of_embedding, 0) << reduces.calls << " all-reduces";
      EXPECT_EQ(gathers.calls, 3 + gathers_of_embedding);
      EXPECT_EQ(reduces.payload_bytes, reduces.calls * hidden_bytes);
      EXPECT_EQ(reduces.wire_bytes, reduces.calls * (2 * hidden_bytes * (ranks - 1) / ranks));
      EXPECT_EQ(gathers.payload_bytes,
                kTokens * (shape.vocab + 2 * candidates_of(shape.vocab, ranks)) * 4 +
                    gathers_of_embedding * hidden_bytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families,
    Costs,
    testing::Values("gpt2_tied", "gpt2_25heads", "llama_gqa_tied", "llama_mha_untied"),
    [](const auto& row) { return row.param; });

TEST(Costs, OneRankTalksToNobody) {
  const GoldenCase golden = golden_case("llama_odd");
  for (const RankCost& rank :
       one_step(golden, Model::load(golden.directory, {.dtype = "f32"}), 1)) {
    for (const CollectiveCost& row : rank.collectives) EXPECT_EQ(row.calls, 0) << row.kind;
  }
}

}  // namespace
}  // namespace partita::tests
