// SPDX-License-Identifier: Apache-2.0
// Blocks whose attention and MLP read the same residual stream: sums of both are reduced once.
#include <gtest/gtest.h>

#include <filesystem>

#include "models/decoder_builder.h"
#include "planner/explain/summary.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using ir::ValueId;
using ir::WeightSource;
using models::DecoderBuilder;

// How a block adds up: x + attn(norm(x)) + mlp(norm(x)).
struct BlockKind {
  bool has_two_norms = false;   // one for attention and one for the MLP, or a common one
  bool has_bias = false;        // behind the last linear layers of attention and MLP
  bool adds_to_stream = false;  // (x + attn) + mlp instead of x + (attn + mlp)
};

constexpr int64_t kHidden = 2048;
constexpr int64_t kHeadDim = 128;
constexpr int64_t kLayers = 3;
constexpr int64_t kVocabulary = 32000;

class Model {
 public:
  explicit Model(const BlockKind& kind) : kind_(kind), builder_("parallel", options()) {}

  ir::Graph build() {
    const ValueId table =
        builder_.matrix("embed.weight", {kVocabulary, kHidden}, WeightSource::from_tensor("e"));
    ValueId x = builder_.op("embedding", "embed", {table, builder_.token_ids()});
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      builder_.set_layer(layer);
      x = block(x);
    }
    builder_.set_layer(-1);
    const ValueId rows = norm("final_norm", builder_.logit_rows(x));
    return builder_.finish(rows, builder_.matrix("head.weight", {kVocabulary, kHidden},
                                                 WeightSource::from_tensor("h")));
  }

 private:
  static models::BuildOptions options() {
    models::BuildOptions options;
    options.weight_dtype = DType::kBF16;
    return options;
  }

  ValueId block(ValueId x) {
    const ValueId attention_in = norm("norm", x);
    const ValueId attended = attention(attention_in);
    const ValueId transformed = feed_forward(kind_.has_two_norms ? norm("norm2", x) : attention_in);
    if (kind_.adds_to_stream) {
      return builder_.op("add", "out", {builder_.op("add", "mid", {x, attended}), transformed});
    }
    return builder_.op("add", "out", {x, builder_.op("add", "both", {attended, transformed})});
  }

  ValueId norm(const std::string& name, ValueId x) {
    const ValueId weight =
        builder_.vector(name + ".weight", kHidden, WeightSource::from_tensor("n"));
    const ValueId bias = builder_.vector(name + ".bias", kHidden, WeightSource::from_tensor("n"));
    ir::Attributes eps;
    eps.set("eps", 1e-5);
    return builder_.op("layer_norm", name, {x, weight, bias}, std::move(eps));
  }

  ValueId linear(const std::string& name, ValueId x, int64_t in, int64_t out, bool has_bias) {
    models::LinearWeights weights{WeightSource::from_tensor("w"), std::nullopt, in, out};
    if (has_bias) weights.bias = WeightSource::from_tensor("b");
    return builder_.linear(name, x, weights);
  }

  ValueId attention(ValueId x) {
    std::vector<ValueId> qkv;
    for (const std::string name : {"q", "k", "v"}) {
      const ValueId flat = linear(name + "_proj", x, kHidden, kHidden, kind_.has_bias);
      qkv.push_back(builder_.split_heads(name, flat, kHeadDim));
    }
    const int64_t heads = kHidden / kHeadDim;
    const ValueId merged = builder_.attention(qkv, {heads, heads, kHeadDim}, 0.1);
    return linear("o_proj", merged, kHidden, kHidden, kind_.has_bias);
  }

  ValueId feed_forward(ValueId x) {
    const ValueId up = linear("up_proj", x, kHidden, 4 * kHidden, kind_.has_bias);
    const ValueId activated = builder_.op("gelu", "activation", {up});
    return linear("down_proj", activated, 4 * kHidden, kHidden, kind_.has_bias);
  }

  BlockKind kind_;
  DecoderBuilder builder_;
};

class ParallelBlock : public ::testing::TestWithParam<BlockKind> {};

TEST_P(ParallelBlock, CostsOneAllReduce) {
  const ir::Graph graph = Model(GetParam()).build();
  const auto devices =
      std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/devices/h100-4x8.toml";
  cost::Profile profile = cost::load_profile(devices);
  // A bias or a stream of two readers must be made a term, which is one more kernel, and a sum of
  // terms is none that its norm adds up: both pay where a start costs less than the collective that
  // is saved.
  if (GetParam().has_bias || GetParam().adds_to_stream) profile.device.launch_s = 1e-6;
  const PlanResult result = make_plan(
      {.graph = graph, .mesh = spec::Mesh::parse("tp=2"), .profile = profile, .dtype = "bf16"});
  ASSERT_TRUE(std::holds_alternative<plan::Plan>(result));
  const auto& plan = std::get<plan::Plan>(result);
  int64_t total = 0;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    const auto& [layer, kind] = key;
    if (layer >= 0 && layer + 1 < kLayers) {
      EXPECT_EQ(kind, "all_reduce") << explain(plan, graph);
      EXPECT_EQ(count.calls, 1) << explain(plan, graph);
    }
    if (kind == "all_reduce") total += count.calls;
  }
  // The embedding whose rows are split asks for one more.
  EXPECT_GE(total, kLayers);
  EXPECT_LE(total, kLayers + 1) << explain(plan, graph);
}

INSTANTIATE_TEST_SUITE_P(
    Blocks,
    ParallelBlock,
    ::testing::Values(BlockKind{},
                      BlockKind{.adds_to_stream = true},
                      BlockKind{.has_two_norms = true},
                      BlockKind{.has_two_norms = true, .adds_to_stream = true},
                      BlockKind{.has_bias = true},
                      BlockKind{.has_two_norms = true, .has_bias = true, .adds_to_stream = true}));

}  // namespace
}  // namespace partita::planner
