// SPDX-License-Identifier: Apache-2.0
// --kv-cache: logits beside those of a cache of f32, on every mesh, in chunks and from parts; what
// planning sees of it; and for which plans and parts it holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/small_checkpoint.h"
#include "api/small_run.h"
#include "formats/test_directory.h"
#include "partita/partita.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Case {
  const char* name;
  SmallModel (*make)();
  const char* kv_cache;
  double rounding;  // relative, of one number: half of the last place
};

// logits() takes as many tokens at once as there may be sequences.
PlanOptions in_steps_of(int64_t tokens, const std::string& mesh) {
  PlanOptions options = on_mesh(mesh);
  options.concurrency = options.max_step_tokens = tokens;
  return options;
}

// The prompt in one step.
PlanOptions whole(const std::string& mesh) { return in_steps_of(7, mesh); }

class KvCacheRun : public testing::TestWithParam<Case> {
 protected:
  KvCacheRun() { write_small(GetParam().make(), checkpoint()); }
  fs::path checkpoint() const { return folder_.path() / "model"; }
  Model load(const std::string& kv_cache) const {
    return Model::load(checkpoint(), {.dtype = "f32", .kv_cache = kv_cache});
  }
  formats::TestDirectory folder_;
};

// A rounded value is off by `rounding` of itself at most, and so is an average of values. Rounded
// keys move scores by that share of themselves; scores of about 3 then move probabilities by 3
// roundings. That makes 4 in each of 2 layers, and as many again where units for bf16 round queries
// and probabilities, were all of one sign. Half of these 8 is allowed, a sixth
// is seen.
constexpr double kRoundings = 4;

TEST_P(KvCacheRun, LogitsAreThoseOfF32WithinTheRounding) {
  const std::vector<float> expected = logits_of(load("f32"), whole("tp=1"));
  const Model model = load(GetParam().kv_cache);
  EXPECT_EQ(model.kv_cache(), GetParam().kv_cache);
  const double share =
      largest_difference(logits_of(model, whole("tp=1")), expected) / largest_of(expected);
  EXPECT_LT(share, kRoundings * GetParam().rounding);
  // Nor is it the cache of another type.
  EXPECT_GT(share, GetParam().rounding / 8);
}

// Every number is rounded once, before it is read, wherever it is. Sums in another order differ in
// their last places, which tips few numbers over to their other neighbour: half a rounding in
// all (an eighth of that is seen).
constexpr double kTippedOver = 0.5;

TEST_P(KvCacheRun, ShardedEqualsUnsharded) {
  const Model model = load(GetParam().kv_cache);
  const std::vector<float> expected = logits_of(model, whole("tp=1"));
  for (const char* mesh : {"tp=2", "tp=3", "a=2,b=2", "pp=2", "tp=2,pp=2", "tp=1 | tp=3"}) {
    const std::vector<float> found = logits_of(model, whole(mesh));
    EXPECT_LT(largest_difference(found, expected),
              kTippedOver * GetParam().rounding * largest_of(expected))
        << mesh;
  }
}

// Tokens see the rounded keys of their own step too, so that it does not matter how a prompt is
// cut.
TEST_P(KvCacheRun, ChunksEqualTheWholePrompt) {
  const Model model = load(GetParam().kv_cache);
  const std::vector<float> expected = logits_of(model, whole("tp=2"));
  for (const int64_t tokens : {1, 2, 3}) {
    const PlanOptions options = in_steps_of(tokens, "tp=2");
    EXPECT_LT(largest_difference(logits_of(model, options), expected),
              kTippedOver * GetParam().rounding * largest_of(expected))
        << tokens;
  }
}

TEST_P(KvCacheRun, PartsKeepTheCache) {
  const Model model = load(GetParam().kv_cache);
  const fs::path parts = folder_.path() / "parts";
  write_partition(model, Plan::make(model, whole("tp=3")), parts);
  EXPECT_EQ(logits_of(Model::load(parts), PlanOptions()), logits_of(model, whole("tp=3")));
  for (const char* given : {"auto", GetParam().kv_cache}) {
    EXPECT_EQ(Model::load(parts, {.kv_cache = given}).kv_cache(), GetParam().kv_cache);
  }
  try {
    (void)Model::load(parts, {.kv_cache = "f32"});
    FAIL() << "parts for another cache were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(),
                HasSubstr(str("was partitioned for a KV cache of ", GetParam().kv_cache)));
  }
}

constexpr double kBf16Rounding = 0x1p-8;
constexpr double kF16Rounding = 0x1p-11;
INSTANTIATE_TEST_SUITE_P(Models,
                         KvCacheRun,
                         testing::Values(Case{"llama_bf16", small_llama, "bf16", kBf16Rounding},
                                         Case{"llama_f16", small_llama, "f16", kF16Rounding},
                                         Case{"gpt2_bf16", small_gpt2, "bf16", kBf16Rounding},
                                         Case{"gpt2_f16", small_gpt2, "f16", kF16Rounding},
                                         Case{"mixtral_bf16", small_mixtral, "bf16", kBf16Rounding},
                                         Case{"mixtral_f16", small_mixtral, "f16", kF16Rounding}),
                         [](const auto& test) { return std::string(test.param.name); });

class KvCachePlan : public testing::Test {
 protected:
  KvCachePlan() { write_small(small_llama(), checkpoint()); }
  fs::path checkpoint() const { return folder_.path() / "model"; }
  Model load(const std::string& kv_cache) const {
    return Model::load(checkpoint(), {.kv_cache = kv_cache});
  }
  static std::vector<int64_t> cache_bytes(const Plan& plan) {
    const Json json = parse_json(plan.to_json(), "plan");
    std::vector<int64_t> bytes;
    for (const Json& rank : json.at("memory")) bytes.push_back(rank.at("kv_cache"));
    return bytes;
  }
  template <typename Action>
  static std::string refusal_of(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  }
  formats::TestDirectory folder_;
};

TEST_F(KvCachePlan, AutoFollowsTheWeights) {
  struct Row {
    const char* weights;
    const char* products;
    const char* kv_cache;
  };
  for (const auto& [weights, products, kv_cache] : {Row{"auto", "auto", "f32"},
                                                    {"f32", "near-f32", "f32"},
                                                    {"bf16", "auto", "bf16"},
                                                    {"bf16", "near-f32", "f32"},
                                                    {"q8", "auto", "f16"},
                                                    {"q4", "near-f32", "f16"}}) {
    const LoadOptions options = {.dtype = weights, .products = products};
    EXPECT_EQ(Model::load(checkpoint(), options).kv_cache(), kv_cache) << weights << products;
  }
}

TEST_F(KvCachePlan, AutoFollowsTheWeightsOfGgufFiles) {
  const ModelShape shape = {.family = "llama",
                            .hidden = 64,
                            .layers = 1,
                            .heads = 4,
                            .kv_heads = 2,
                            .feed_forward = 96,
                            .vocab_size = 300,
                            .max_positions = 64};
  for (const auto& [dtype, kv_cache] :
       {std::pair{"f32", "f32"}, {"bf16", "bf16"}, {"q8_0", "f16"}, {"q4_0", "f16"}}) {
    const fs::path file = folder_.path() / str(dtype, ".gguf");
    (void)make_model(shape, {.dtype = dtype, .format = "gguf"}, file);
    EXPECT_EQ(Model::load(file).kv_cache(), kv_cache) << dtype;
    EXPECT_EQ(Model::load(file, {.kv_cache = "f32"}).kv_cache(), "f32") << dtype;
  }
}

TEST_F(KvCachePlan, HalvesTheMemoryOfCaches) {
  for (const char* mesh : {"tp=1", "tp=2", "tp=3", "pp=2"}) {
    const std::vector<int64_t> whole = cache_bytes(Plan::make(load("f32"), on_mesh(mesh)));
    EXPECT_GT(whole.front(), 0) << mesh;
    for (const char* half : {"bf16", "f16"}) {
      std::vector<int64_t> doubled = cache_bytes(Plan::make(load(half), on_mesh(mesh)));
      for (int64_t& bytes : doubled) bytes *= 2;
      EXPECT_EQ(doubled, whole) << mesh << " " << half;
    }
  }
}

TEST_F(KvCachePlan, RanksHoldWhatIsPlanned) {
  for (const char* kv_cache : {"f32", "bf16", "f16"}) {
    const Model model = load(kv_cache);
    const Plan plan = Plan::make(model, on_mesh("tp=2"));
    Engine engine(model, plan, {.threads_per_rank = 1});
    std::vector<int64_t> held;
    for (const RankCost& rank : engine.report().ranks) held.push_back(rank.kv_bytes);
    EXPECT_EQ(held, cache_bytes(plan)) << kv_cache;
  }
}

TEST_F(KvCachePlan, IsShownToPeople) {
  const Plan plan = Plan::make(load("bf16"), on_mesh("tp=2"));
  EXPECT_THAT(plan.explain(), HasSubstr("f32 weights, bf16 KV cache, graph "));
  EXPECT_THAT(to_html(plan), HasSubstr("f32 weights, bf16 KV cache, 2 ranks"));
}

TEST_F(KvCachePlan, IsReadBackAndHoldsForItsCacheOnly) {
  const Model bf16 = load("bf16");
  const Plan plan = Plan::make(bf16, on_mesh("tp=2"));
  const fs::path file = folder_.path() / "plan.json";
  plan.write(file);
  EXPECT_EQ(parse_json(plan.to_json(), "plan").at("cache_dtype"), "bf16");
  EXPECT_EQ(Plan::read(bf16, file).to_json(), plan.to_json());
  EXPECT_THAT(refusal_of([&] { (void)Plan::read(load("f16"), file); }),
              HasSubstr("is for a KV cache of bf16, that of this model is f16; give --kv-cache "
                        "bf16 or plan again"));
  // Edited by hand.
  Json json = parse_json(plan.to_json(), "plan");
  json["cache_dtype"] = "f16";
  write_json(file, json);
  EXPECT_THAT(refusal_of([&] { (void)Plan::read(bf16, file); }),
              HasSubstr("cache_dtype is f16, but the KV cache layers.0.k_cache"));
}

// Attention says how exactly it multiplies beside a cache of bf16, and only there.
TEST_F(KvCachePlan, IsNamedWithNearF32ProductsToo) {
  const auto near = [&](const char* kv_cache) {
    return Model::load(checkpoint(),
                       {.dtype = "bf16", .products = "near-f32", .kv_cache = kv_cache});
  };
  const fs::path file = folder_.path() / "plan.json";
  for (const auto& [planned, run] : {std::pair{"bf16", "f32"}, {"f32", "bf16"}, {"f16", "bf16"}}) {
    Plan::make(near(planned), on_mesh("tp=2")).write(file);
    EXPECT_THAT(refusal_of([&] { (void)Plan::read(near(run), file); }),
                HasSubstr(str("give --kv-cache ", planned)));
  }
}

// As plans were written before caches had types.
TEST_F(KvCachePlan, WithoutTheFieldIsOneForF32) {
  const Plan plan = Plan::make(load("f32"), on_mesh("tp=2"));
  const fs::path file = folder_.path() / "plan.json";
  plan.write(file);
  EXPECT_FALSE(parse_json(plan.to_json(), "plan").contains("cache_dtype"));
  EXPECT_EQ(Plan::read(load("f32"), file).to_json(), plan.to_json());
  EXPECT_THAT(refusal_of([&] { (void)Plan::read(load("bf16"), file); }),
              HasSubstr("give --kv-cache f32"));
}

TEST_F(KvCachePlan, OtherTypesAreRefused) {
  for (const char* name : {"q8", "BF16", "f64", ""}) {
    EXPECT_THAT(refusal_of([&] { (void)load(name); }),
                HasSubstr(str("[model] KV cache \"", name, "\"; expected auto, f32, bf16 or f16")));
  }
}

}  // namespace
}  // namespace partita::api
