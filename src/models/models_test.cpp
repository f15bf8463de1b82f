// SPDX-License-Identifier: Apache-2.0
// Graphs of the families, as text, and the options they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "models/family.h"
#include "ops/op.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::models {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kLlama = R"({"model_type":"llama","hidden_size":6,"intermediate_size":10,
    "num_attention_heads":3,"num_key_value_heads":1,"num_hidden_layers":1,"vocab_size":11})";
constexpr std::string_view kGpt2 =
    R"({"architectures":["GPT2LMHeadModel"],"n_embd":6,"n_head":2,"n_layer":1,"n_positions":8,"vocab_size":11})";

// The graph of `base` with some keys changed.
BuiltModel build(std::string_view base,
                 const Json& changes = Json::object(),
                 const BuildOptions& options = {}) {
  Json root = parse_json(base, "config.json");
  if (changes.is_object()) root.update(changes);
  const formats::HfConfig config(parse_json(root.dump(), "config.json"), "config.json");
  BuiltModel model = find_family(config).build(config, options);
  ops::verify_types(model.graph);
  return model;
}

std::string text_of(std::string_view base,
                    const Json& changes = Json::object(),
                    const BuildOptions& options = {}) {
  return ir::print_graph(build(base, changes, options).graph);
}

std::string refusal_of(std::string_view base, const Json& changes) {
  try {
    (void)build(base, changes);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("config.json"));
    EXPECT_TRUE(error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kInvalidFile);
    return error.what();
  }
  return "no error";
}

TEST(Llama, OneLayerAsText) {
  EXPECT_EQ(text_of(kLlama, {}, {.weight_dtype = DType::kBF16, .block_size = 4, .has_tensor = {}}),
            R"(graph "llama" {
  input %token_ids : i32[t]
  input %positions : i32[t]
  input %sequence_ids : i32[t]
  input %block_tables : i32[s,m]
  input %logit_rows : i32[r]
  weight %embed_tokens.weight : bf16[11,6] = tensor("model.embed_tokens.weight")
  %embed : f32[t,6] = embedding(%embed_tokens.weight, %token_ids)
  weight %layers.0.attn_norm.weight : f32[6] = tensor("model.layers.0.input_layernorm.weight")
  %layers.0.attn_norm : f32[t,6] = rms_norm(%embed, %layers.0.attn_norm.weight) {layer = 0, eps = 1e-06}
  weight %layers.0.attn.q_proj.weight : bf16[6,6] = tensor("model.layers.0.self_attn.q_proj.weight")
  %layers.0.attn.q_proj : f32[t,6] = linear(%layers.0.attn_norm, %layers.0.attn.q_proj.weight) {layer = 0}
  %layers.0.attn.q : f32[t,3,2] = reshape(%layers.0.attn.q_proj) {layer = 0, shape = [0,-1,2]}
  %layers.0.attn.q_rope : f32[t,3,2] = rope(%layers.0.attn.q, %positions) {layer = 0, theta = 10000.0}
  weight %layers.0.attn.k_proj.weight : bf16[2,6] = tensor("model.layers.0.self_attn.k_proj.weight")
  %layers.0.attn.k_proj : f32[t,2] = linear(%layers.0.attn_norm, %layers.0.attn.k_proj.weight) {layer = 0}
  %layers.0.attn.k : f32[t,1,2] = reshape(%layers.0.attn.k_proj) {layer = 0, shape = [0,-1,2]}
  %layers.0.attn.k_rope : f32[t,1,2] = rope(%layers.0.attn.k, %positions) {layer = 0, theta = 10000.0}
  weight %layers.0.attn.v_proj.weight : bf16[2,6] = tensor("model.layers.0.self_attn.v_proj.weight")
  %layers.0.attn.v_proj : f32[t,2] = linear(%layers.0.attn_norm, %layers.0.attn.v_proj.weight) {layer = 0}
  %layers.0.attn.v : f32[t,1,2] = reshape(%layers.0.attn.v_proj) {layer = 0, shape = [0,-1,2]}
  state %layers.0.k_cache : f32[1,c,2,4]
  state %layers.0.v_cache : f32[1,c,4,2]
  %layers.0.attn : f32[t,3,2] = attention(%layers.0.attn.q_rope, %layers.0.attn.k_rope, %layers.0.attn.v, %layers.0.k_cache, %layers.0.v_cache, %positions, %sequence_ids, %block_tables) {layer = 0, group = 3, scale = 0.7071067811865475}
  %layers.0.attn.merged : f32[t,6] = reshape(%layers.0.attn) {layer = 0, shape = [0,-1]}
  weight %layers.0.attn.o_proj.weight : bf16[6,6] = tensor("model.layers.0.self_attn.o_proj.weight")
  %layers.0.attn.o_proj : f32[t,6] = linear(%layers.0.attn.merged, %layers.0.attn.o_proj.weight) {layer = 0}
  %layers.0.attn_residual : f32[t,6] = add(%embed, %layers.0.attn.o_proj) {layer = 0}
  weight %layers.0.mlp_norm.weight : f32[6] = tensor("model.layers.0.post_attention_layernorm.weight")
  %layers.0.mlp_norm : f32[t,6] = rms_norm(%layers.0.attn_residual, %layers.0.mlp_norm.weight) {layer = 0, eps = 1e-06}
  weight %layers.0.mlp.gate_proj.weight : bf16[10,6] = tensor("model.layers.0.mlp.gate_proj.weight")
  %layers.0.mlp.gate_proj : f32[t,10] = linear(%layers.0.mlp_norm, %layers.0.mlp.gate_proj.weight) {layer = 0}
  weight %layers.0.mlp.up_proj.weight : bf16[10,6] = tensor("model.layers.0.mlp.up_proj.weight")
  %layers.0.mlp.up_proj : f32[t,10] = linear(%layers.0.mlp_norm, %layers.0.mlp.up_proj.weight) {layer = 0}
  %layers.0.mlp.activation : f32[t,10] = silu(%layers.0.mlp.gate_proj) {layer = 0}
  %layers.0.mlp.product : f32[t,10] = mul(%layers.0.mlp.activation, %layers.0.mlp.up_proj) {layer = 0}
  weight %layers.0.mlp.down_proj.weight : bf16[6,10] = tensor("model.layers.0.mlp.down_proj.weight")
  %layers.0.mlp.down_proj : f32[t,6] = linear(%layers.0.mlp.product, %layers.0.mlp.down_proj.weight) {layer = 0}
  %layers.0.mlp_residual : f32[t,6] = add(%layers.0.attn_residual, %layers.0.mlp.down_proj) {layer = 0}
  %rows : f32[r,6] = take_rows(%layers.0.mlp_residual, %logit_rows)
  weight %final_norm.weight : f32[6] = tensor("model.norm.weight")
  %final_norm : f32[r,6] = rms_norm(%rows, %final_norm.weight) {eps = 1e-06}
  weight %lm_head.weight : bf16[11,6] = tensor("lm_head.weight")
  %logits : f32[r,11] = linear(%final_norm, %lm_head.weight)
  return %logits
}
)");
}

TEST(Llama, TiedHeadUsesTheEmbeddingTable) {
  const std::string text = text_of(kLlama, {{"tie_word_embeddings", true}});
  EXPECT_THAT(text, HasSubstr("%logits : f32[r,11] = linear(%final_norm, %embed_tokens.weight)"));
  EXPECT_THAT(text, Not(HasSubstr("lm_head")));
}

TEST(Llama, BiasFlagsAddBiasesToAttentionAndFeedForward) {
  const std::string attention = text_of(kLlama, {{"attention_bias", true}});
  for (const std::string name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    EXPECT_THAT(attention, HasSubstr(str("tensor(\"model.layers.0.self_attn.", name, ".bias\")")));
  }
  EXPECT_THAT(attention, Not(HasSubstr("mlp.up_proj.bias")));
  EXPECT_THAT(text_of(kLlama, {{"mlp_bias", true}}),
              HasSubstr("%layers.0.mlp.up_proj.biased : f32[t,10] = add(%layers.0.mlp.up_proj, "
                        "%layers.0.mlp.up_proj.bias)"));
}

TEST(Llama, HeadDimMayDifferFromHiddenOverHeads) {
  const std::string text = text_of(kLlama, {{"head_dim", 4}});
  EXPECT_THAT(text, HasSubstr("%layers.0.attn.q_proj.weight : f32[12,6]"));
  EXPECT_THAT(text, HasSubstr("scale = 0.5}"));
}

TEST(Llama, RopeScalingComesFromBothSpellings) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 32}};
  Json with_theta = llama3;
  with_theta["rope_theta"] = 500.0;
  const std::string old_text = text_of(kLlama, {{"rope_theta", 500.0}, {"rope_scaling", llama3}});
  EXPECT_EQ(old_text, text_of(kLlama, {{"rope_parameters", with_theta}}));
  EXPECT_THAT(old_text,
              HasSubstr("{layer = 0, factor = 8.0, high_freq_factor = 4.0, low_freq_factor = 1.0, "
                        "original_max_position = 32, rope_type = \"llama3\", theta = 500.0}"));
}

TEST(Llama, RefusesWhatChangesTheMathematics) {
  EXPECT_THAT(refusal_of(kLlama, {{"sliding_window", 4096}}),
              HasSubstr("\"sliding_window\" is 4096"));
  EXPECT_THAT(refusal_of(kLlama, {{"quantization_config", {{"quant_method", "fp8"}}}}),
              HasSubstr("quantization_config"));
  EXPECT_THAT(refusal_of(kLlama, {{"hidden_act", "xielu"}}), HasSubstr("activation \"xielu\""));
  EXPECT_THAT(refusal_of(kLlama, {{"rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}}}),
              HasSubstr("rope type \"yarn\""));
  EXPECT_THAT(refusal_of(kLlama, {{"partial_rotary_factor", 0.5}}),
              HasSubstr("partial_rotary_factor is 0.5"));
  EXPECT_THAT(refusal_of(kLlama, {{"layer_types", {"sliding_attention"}}}),
              HasSubstr("sliding_attention"));
  EXPECT_THAT(refusal_of(kLlama, {{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 2.0}}}}),
              HasSubstr("original_max_position_embeddings"));
  EXPECT_EQ(refusal_of(kLlama, {{"sliding_window", nullptr}}), "no error");
}

TEST(Llama, RefusesSizesThatDoNotFit) {
  EXPECT_THAT(refusal_of(kLlama, {{"hidden_size", 7}}), HasSubstr("expected a multiple"));
  EXPECT_THAT(refusal_of(kLlama, {{"num_key_value_heads", 2}}),
              HasSubstr("\"num_key_value_heads\" is 2"));
  EXPECT_THAT(refusal_of(kLlama, {{"head_dim", 3}}), HasSubstr("even"));
  EXPECT_THAT(refusal_of(kLlama, {{"num_hidden_layers", 5000}}), HasSubstr("at most 4096"));
  EXPECT_THAT(refusal_of(kLlama, {{"vocab_size", 0}}), HasSubstr("vocab_size"));
}

constexpr std::string_view kMixtral = R"({"model_type":"mixtral","hidden_size":6,
    "intermediate_size":5,"num_attention_heads":3,"num_key_value_heads":1,"num_hidden_layers":1,
    "num_local_experts":3,"num_experts_per_tok":2,"vocab_size":11})";
constexpr std::string_view kQwen3Moe = R"({"model_type":"qwen3_moe","hidden_size":6,
    "intermediate_size":9,"moe_intermediate_size":5,"num_attention_heads":3,"num_key_value_heads":1,
    "num_hidden_layers":2,"num_experts":2,"num_experts_per_tok":1,"vocab_size":11})";

TEST(Mixtral, ExpertsAreStackedWeights) {
  const std::string text = text_of(kMixtral);
  for (
      const std::string line : {
          R"(weight %layers.0.mlp.router.weight : f32[3,6] = tensor("model.layers.0.block_sparse_moe.gate.weight"))",
          R"(%layers.0.mlp.router : f32[t,3] = router(%layers.0.mlp_norm, %layers.0.mlp.router.weight) {layer = 0, normalize = 1, top_k = 2})",
          R"(weight %layers.0.mlp.experts.gate.weight : f32[3,5,6] = stack(tensor("model.layers.0.block_sparse_moe.experts.0.w1.weight"), tensor("model.layers.0.block_sparse_moe.experts.1.w1.weight"), tensor("model.layers.0.block_sparse_moe.experts.2.w1.weight")))",
          R"(weight %layers.0.mlp.experts.up.weight : f32[3,5,6] = stack(tensor("model.layers.0.block_sparse_moe.experts.0.w3.weight"))",
          R"(weight %layers.0.mlp.experts.down.weight : f32[3,6,5] = stack(tensor("model.layers.0.block_sparse_moe.experts.0.w2.weight"))",
          R"(%layers.0.mlp.experts : f32[t,6] = experts(%layers.0.mlp_norm, %layers.0.mlp.router, %layers.0.mlp.experts.gate.weight, %layers.0.mlp.experts.up.weight, %layers.0.mlp.experts.down.weight) {layer = 0, activation = "silu", top_k = 2})",
          R"({layer = 0, theta = 1e+06})",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("gate_proj")));
}

TEST(Mixtral, FusedExpertsAreSlices) {
  BuildOptions options;
  options.has_tensor = [](std::string_view name) {
    return name.find("mlp.experts.gate_up_proj") != std::string_view::npos;
  };
  const std::string text = text_of(kMixtral, {}, options);
  for (
      const std::string line : {
          R"(%layers.0.mlp.experts.gate.weight : f32[3,5,6] = slice(tensor("model.layers.0.mlp.experts.gate_up_proj"), 1, 0, 5))",
          R"(%layers.0.mlp.experts.up.weight : f32[3,5,6] = slice(tensor("model.layers.0.mlp.experts.gate_up_proj"), 1, 5, 10))",
          R"(%layers.0.mlp.experts.down.weight : f32[3,6,5] = tensor("model.layers.0.mlp.experts.down_proj"))",
          R"(%layers.0.mlp.router.weight : f32[3,6] = tensor("model.layers.0.mlp.gate.weight"))",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Mixtral, RefusesWhatItCannotRun) {
  EXPECT_THAT(refusal_of(kMixtral, {{"sliding_window", 4096}}), HasSubstr("family mixtral"));
  EXPECT_THAT(refusal_of(kMixtral, {{"num_experts_per_tok", 4}}),
              HasSubstr("\"num_experts_per_tok\" is 4; expected at most the 3 experts"));
  EXPECT_THAT(refusal_of(kMixtral, {{"num_local_experts", 0}}), HasSubstr("num_local_experts"));
  EXPECT_THAT(refusal_of(kMixtral, {{"num_local_experts", 2147483647}}),
              HasSubstr("2147483647; expected at most 4096 experts"));
  EXPECT_THAT(refusal_of(kQwen3Moe, {{"num_experts", 4097}}), HasSubstr("at most 4096 experts"));
}

TEST(Qwen3Moe, LayersAreSparseByStepAndByName) {
  const std::string all = text_of(kQwen3Moe);
  EXPECT_THAT(all, HasSubstr("%layers.0.mlp.experts "));
  EXPECT_THAT(all, HasSubstr("%layers.1.mlp.experts "));
  EXPECT_THAT(all, HasSubstr(R"(tensor("model.layers.1.mlp.experts.1.up_proj.weight"))"));
  EXPECT_THAT(all, HasSubstr("normalize = 0, top_k = 1"));
  const std::string by_step = text_of(kQwen3Moe, {{"decoder_sparse_step", 2}});
  EXPECT_THAT(by_step, HasSubstr("%layers.0.mlp.gate_proj.weight : f32[9,6]"));
  EXPECT_THAT(by_step, HasSubstr("%layers.1.mlp.experts "));
  const std::string by_name = text_of(kQwen3Moe, {{"mlp_only_layers", {1}}});
  EXPECT_THAT(by_name, HasSubstr("%layers.0.mlp.experts "));
  EXPECT_THAT(by_name, HasSubstr("%layers.1.mlp.gate_proj "));
}

TEST(Qwen3Moe, HeadsOfQueriesAndKeysAreNormalized) {
  const std::string text = text_of(kQwen3Moe);
  EXPECT_THAT(text, HasSubstr("%layers.0.attn.q_norm : f32[t,3,2] = rms_norm(%layers.0.attn.q, "
                              "%layers.0.attn.q_norm.weight)"));
  EXPECT_THAT(text, HasSubstr("rope(%layers.0.attn.k_norm, %positions)"));
}

TEST(Qwen3Moe, RefusesWhatItCannotRun) {
  EXPECT_THAT(refusal_of(kQwen3Moe, {{"shared_expert_intermediate_size", 8}}),
              HasSubstr("\"shared_expert_intermediate_size\" is 8"));
  EXPECT_THAT(refusal_of(kQwen3Moe, {{"use_sliding_window", true}}),
              HasSubstr("use_sliding_window"));
  EXPECT_THAT(refusal_of(kQwen3Moe, {{"mlp_only_layers", {2}}}), HasSubstr("layers below 2"));
  EXPECT_THAT(refusal_of(kQwen3Moe, {{"mlp_only_layers", "1"}}), HasSubstr("a list of layers"));
  EXPECT_EQ(refusal_of(kQwen3Moe, {{"sliding_window", 4096}}), "no error");
}

TEST(Qwen, DenseFamiliesDifferInBiasesNormsAndHeads) {
  const std::string qwen2 = text_of(kLlama, {{"model_type", "qwen2"}, {"sliding_window", 4096}});
  EXPECT_THAT(qwen2, HasSubstr("model.layers.0.self_attn.v_proj.bias"));
  EXPECT_THAT(qwen2, Not(HasSubstr("self_attn.o_proj.bias")));
  const std::string qwen3 = text_of(kLlama, {{"model_type", "qwen3"}});
  EXPECT_THAT(qwen3, HasSubstr("%layers.0.attn.q_norm : f32[t,3,128] = rms_norm("));
  EXPECT_THAT(qwen3, Not(HasSubstr(".bias")));
  const std::string mistral = text_of(kLlama, {{"model_type", "mistral"}});
  EXPECT_THAT(mistral, HasSubstr("graph \"mistral\""));
  EXPECT_THAT(refusal_of(kLlama, {{"model_type", "mistral"}, {"sliding_window", 4096}}),
              HasSubstr("family mistral"));
}

TEST(Gpt2, FusedConv1dBecomesPlainWeightsAndTheHeadIsTied) {
  const std::string text = text_of(kGpt2);
  for (
      const std::string line : {
          R"(weight %layers.0.attn.k_proj.weight : f32[6,6] = transpose(slice(tensor("transformer.h.0.attn.c_attn.weight"), 1, 6, 12), [1,0]))",
          R"(weight %layers.0.attn.v_proj.bias : f32[6] = slice(tensor("transformer.h.0.attn.c_attn.bias"), 0, 12, 18))",
          R"(weight %layers.0.mlp.up_proj.weight : f32[24,6] = transpose(tensor("transformer.h.0.mlp.c_fc.weight"), [1,0]))",
          R"(%embed_positions : f32[t,6] = embedding(%wpe.weight, %positions))",
          R"(gelu_tanh(%layers.0.mlp.up_proj.biased))",
          R"(%layers.0.attn_norm : f32[t,6] = layer_norm(%embed, %layers.0.attn_norm.weight, %layers.0.attn_norm.bias) {layer = 0, eps = 1e-05})",
          R"(%logits : f32[r,11] = linear(%final_norm, %wte.weight))",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Gpt2, PrefixFollowsTheCheckpoint) {
  BuildOptions options;
  options.has_tensor = [](std::string_view name) { return name == "wte.weight"; };
  const std::string text = text_of(kGpt2, {}, options);
  EXPECT_THAT(text, HasSubstr(R"(tensor("h.0.ln_1.weight"))"));
  EXPECT_THAT(text, Not(HasSubstr("transformer.")));
}

TEST(Gpt2, AttentionScaleFollowsItsOptions) {
  EXPECT_THAT(text_of(kGpt2, {{"scale_attn_weights", false}}), HasSubstr("scale = 1.0}"));
  EXPECT_THAT(
      text_of(kGpt2, {{"n_layer", 2}, {"n_head", 6}, {"scale_attn_by_inverse_layer_idx", true}}),
      HasSubstr("{layer = 1, group = 1, scale = 0.5}"));
}

TEST(Gpt2, UntiedHeadAndInnerSizeAreTakenFromTheConfig) {
  const std::string text = text_of(kGpt2, {{"tie_word_embeddings", false}, {"n_inner", 7}});
  EXPECT_THAT(text, HasSubstr(R"(weight %lm_head.weight : f32[11,6] = tensor("lm_head.weight"))"));
  EXPECT_THAT(text, HasSubstr("%layers.0.mlp.up_proj.weight : f32[7,6]"));
  EXPECT_THAT(refusal_of(kGpt2, {{"add_cross_attention", true}}), HasSubstr("add_cross_attention"));
}

TEST(Families, UnknownOneListsTheKnownOnes) {
  EXPECT_THAT(refusal_of(kLlama, {{"model_type", "bert"}}), HasSubstr("\"bert\""));
  EXPECT_THAT(refusal_of(kLlama, {{"model_type", "bert"}}), HasSubstr("partita knows gpt2, llama"));
  EXPECT_THAT(refusal_of("{}", {}), HasSubstr("partita knows gpt2, llama"));
}

TEST(Families, EveryFamilyFileHasACompleteTableRow) {
  size_t files = 0;
  for (const auto& item : std::filesystem::directory_iterator(
           std::filesystem::path(PARTITA_SOURCE_DIR) / "src/models")) {
    const std::string name = item.path().filename().string();
    auto header = item.path();
    header.replace_extension(".h");
    const bool is_source = name.ends_with(".cpp") && !name.ends_with("_test.cpp");
    if (is_source && !std::filesystem::exists(header)) ++files;
  }
  EXPECT_EQ(all_families().size(), files);
  for (const Family* family : all_families()) {
    EXPECT_FALSE(family->model_type.empty());
    EXPECT_FALSE(family->architecture.empty());
    EXPECT_NE(family->build, nullptr);
  }
}

}  // namespace
}  // namespace partita::models
