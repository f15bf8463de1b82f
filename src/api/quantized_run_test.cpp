// SPDX-License-Identifier: Apache-2.0
// --weights q8 and q4: the logits of the restored weights, on every mesh, from checkpoints and from
// parts; and what planning sees of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/small_checkpoint.h"
#include "api/small_run.h"
#include "formats/test_directory.h"
#include "partita/partita.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Case {
  const char* name;
  SmallModel (*make)();
  const char* weights;
  DType dtype;
};

class QuantizedRun : public testing::TestWithParam<Case> {
 protected:
  fs::path checkpoint() const {
    write_small(GetParam().make(), folder_.path() / "model");
    return folder_.path() / "model";
  }
  formats::TestDirectory folder_;
};

// Kernels round activations to 8 bits in blocks of 32 (relative error 1/254 of the largest in the
// block, random signs): two layers leave about 1 % of the largest logit.
constexpr double kActivationShare = 0.04;
// The same roundings on every mesh, but sums in another order tip a few of them over (0.0123 seen).
constexpr double kShardingShare = 0.02;

TEST_P(QuantizedRun, LogitsAreThoseOfTheRestoredWeights) {
  write_small(GetParam().make(), folder_.path() / "restored", GetParam().dtype);
  const Model restored = Model::load(folder_.path() / "restored", {.dtype = "f32"});
  const Model model = Model::load(checkpoint(), {.dtype = GetParam().weights});
  EXPECT_EQ(model.dtype(), to_string(GetParam().dtype));
  EXPECT_EQ(model.notes(), "");
  const std::vector<float> expected = logits_of(restored, on_mesh("tp=1"));
  const std::vector<float> found = logits_of(model, on_mesh("tp=1"));
  EXPECT_LT(largest_difference(found, expected), kActivationShare * largest_of(expected));
  // The test would see wrong blocks: rounding the weights alone moves the logits.
  const Model exact = Model::load(checkpoint(), {.dtype = "f32"});
  EXPECT_GT(largest_difference(logits_of(exact, on_mesh("tp=1")), expected), 0);
}

TEST_P(QuantizedRun, ShardedEqualsUnsharded) {
  const Model model = Model::load(checkpoint(), {.dtype = GetParam().weights});
  const std::vector<float> expected = logits_of(model, on_mesh("tp=1"));
  for (const char* mesh : {"tp=2", "tp=3", "pp=2", "tp=2,pp=2"}) {
    const std::vector<float> found = logits_of(model, on_mesh(mesh));
    EXPECT_LT(largest_difference(found, expected), kShardingShare * largest_of(expected)) << mesh;
  }
}

TEST_P(QuantizedRun, PartsKeepTheBlocks) {
  const Model model = Model::load(checkpoint(), {.dtype = GetParam().weights});
  const std::vector<float> expected = logits_of(model, on_mesh("tp=1"));
  const fs::path parts = folder_.path() / "parts";
  write_partition(model, Plan::make(model, on_mesh("tp=3")), parts);
  fs::remove_all(folder_.path() / "model");
  const Model again = Model::load(parts);
  EXPECT_EQ(again.dtype(), to_string(GetParam().dtype));
  EXPECT_EQ(again.weight_bytes(), model.weight_bytes());
  // From here on nothing of the folder but the weights is needed.
  fs::remove(parts / "partita.json");
  fs::remove(parts / "model.graph");
  for (const PlanOptions& options : {PlanOptions(), on_mesh("tp=2"), on_mesh("tp=1")}) {
    const std::vector<float> found = logits_of(again, options);
    EXPECT_LT(largest_difference(found, expected), kShardingShare * largest_of(expected))
        << options.mesh;
  }
}

INSTANTIATE_TEST_SUITE_P(Models,
                         QuantizedRun,
                         testing::Values(Case{"llama_q8", small_llama, "q8", DType::kQ8_0},
                                         Case{"llama_q4", small_llama, "q4", DType::kQ4_0},
                                         Case{"gpt2_q8", small_gpt2, "q8_0", DType::kQ8_0},
                                         Case{"gpt2_q4", small_gpt2, "q4_0", DType::kQ4_0},
                                         Case{"mixtral_q8", small_mixtral, "q8", DType::kQ8_0}),
                         [](const auto& test) { return std::string(test.param.name); });

class QuantizedPlan : public testing::Test {
 protected:
  // Bytes of the only rank, without the tenth of a limit that is kept free.
  static double rank_bytes(const Model& model, PlanOptions options) {
    constexpr double kLimitGb = 0.01;
    options.mesh.clear();
    options.ranks = 1;
    options.memory_limit_gb = kLimitGb;
    const Plan plan = Plan::make(model, options);
    return static_cast<double>(plan.candidates().front().rank_bytes) - kLimitGb * 1e8;
  }
  formats::TestDirectory folder_;
};

TEST_F(QuantizedPlan, FitsWhereBf16DoesNot) {
  write_small(small_llama(), folder_.path());
  const Model bf16 = Model::load(folder_.path(), {.dtype = "bf16"});
  const Model q4 = Model::load(folder_.path(), {.dtype = "q4"});
  EXPECT_LT(q4.weight_bytes(), bf16.weight_bytes() * 0.32);  // 18 bytes instead of 64, and norms
  PlanOptions options = on_mesh("tp=1");
  const double large = rank_bytes(bf16, options);
  const double small = rank_bytes(q4, options);
  // One rank holds everything, so the difference is that of the weights.
  EXPECT_NEAR(large - small, static_cast<double>(bf16.weight_bytes() - q4.weight_bytes()), 4096);
  options.memory_limit_gb = (large + small) / 2 / 0.9e9;
  EXPECT_EQ(Plan::make(q4, options).ranks(), 1);
  EXPECT_THROW((void)Plan::make(bf16, options), InfeasibleError);
}

TEST_F(QuantizedPlan, RowsWithoutWholeBlocksStayBf16AndAreNamedOnce) {
  SmallModel model = small_llama();
  model.config["intermediate_size"] = 40;
  for (SmallTensor& tensor : model.tensors) {
    for (int64_t& size : tensor.shape) size = size == 160 ? 40 : size;
  }
  write_small(model, folder_.path());
  const Model loaded = Model::load(folder_.path(), {.dtype = "q8"});
  EXPECT_THAT(loaded.notes(), HasSubstr("2 of 15 matrices stay bf16"));
  EXPECT_THAT(loaded.notes(), HasSubstr("layers.0.mlp.down_proj.weight"));
  EXPECT_THAT(loaded.dump_graph(), HasSubstr("down_proj.weight : bf16[96,40]"));
  EXPECT_THAT(loaded.dump_graph(), HasSubstr("up_proj.weight : q8_0[40,96]"));
  const std::vector<float> expected = logits_of(loaded, on_mesh("tp=1"));
  EXPECT_LT(largest_difference(logits_of(loaded, on_mesh("tp=2")), expected),
            kShardingShare * largest_of(expected));
}

TEST_F(QuantizedPlan, BadRequestsAreRefused) {
  const fs::path odd = fs::path(PARTITA_SOURCE_DIR) / "tests" / "golden" / "llama_odd";
  const auto message_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message_of([&] { (void)Model::load(odd, {.dtype = "q8"}); }),
              HasSubstr("no weight can be q8_0"));
  EXPECT_THAT(message_of([&] { (void)Model::load(odd, {.dtype = "q5"}); }),
              HasSubstr("expected auto, f32, bf16, q8 or q4"));
  write_small(small_llama(), folder_.path() / "model");
  const Model model = Model::load(folder_.path() / "model", {.dtype = "q8"});
  write_partition(model, Plan::make(model, on_mesh("tp=2")), folder_.path() / "parts");
  EXPECT_THAT(message_of([&] { (void)Model::load(folder_.path() / "parts", {.dtype = "q4"}); }),
              HasSubstr("was partitioned with q8_0"));
}

}  // namespace
}  // namespace partita::api
