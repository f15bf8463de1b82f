// SPDX-License-Identifier: Apache-2.0
// The Qwen3-MoE family: Qwen3 with experts in some or all layers.
#include "models/rope_decoder.h"
#include "support/error.h"

namespace partita::models {
namespace {

using formats::HfConfig;

// Layers of experts: every decoder_sparse_step-th one, but for those in mlp_only_layers.
std::vector<bool> sparse_layers(const HfConfig& config) {
  const int64_t layers = layers_of(config);
  const int64_t step = config.size_or({"decoder_sparse_step"}, 1);
  std::vector<bool> is_sparse;
  for (int64_t layer = 0; layer < layers; ++layer) is_sparse.push_back((layer + 1) % step == 0);
  const Json* dense = config.find("mlp_only_layers");
  if (dense == nullptr) return is_sparse;
  const auto refuse = [&] {
    throw Error(ErrorCode::kInvalidFile,
                str("[config] ", config.what(), ": \"mlp_only_layers\" is ",
                    dense->dump().substr(0, 80), "; expected a list of layers below ", layers));
  };
  if (!dense->is_array()) refuse();
  for (const Json& layer : *dense) {
    if (!layer.is_number_unsigned() || layer.get<uint64_t>() >= is_sparse.size()) refuse();
    is_sparse[layer.get<size_t>()] = false;
  }
  return is_sparse;
}

BuiltModel build(const HfConfig& config, const BuildOptions& options) {
  RopeDecoder model = read_rope_decoder(
      config, "qwen3_moe",
      {"use_sliding_window", "shared_expert_intermediate_size", "n_shared_experts"});
  model.qk_norm = true;
  model.qkv_bias = model.output_bias = config.flag_or({"attention_bias"}, false);
  const int64_t experts = experts_of(config, {"num_experts", "num_local_experts"});
  model.sparse = {.experts = experts,
                  .top_k = experts_per_token(config, experts),
                  .feed_forward = config.size({"moe_intermediate_size"}),
                  .normalize = config.flag_or({"norm_topk_prob"}, false),
                  .prefix = "mlp",
                  .gate = "gate_proj",
                  .up = "up_proj",
                  .down = "down_proj"};
  model.is_sparse = sparse_layers(config);
  return build_rope_decoder(model, config, options);
}

Json config_of(const Shape& shape) {
  Json config = rope_decoder_config(shape, "qwen3_moe", "Qwen3MoeForCausalLM");
  config["num_experts"] = shape.experts;
  config["num_experts_per_tok"] = shape.experts_per_token;
  config["moe_intermediate_size"] = shape.feed_forward;
  config["norm_topk_prob"] = true;
  return config;
}

}  // namespace

const Family& qwen3_moe_family() {
  static constexpr Family family{.name = "qwen3_moe",
                                 .model_type = "qwen3_moe",
                                 .architecture = "Qwen3MoeForCausalLM",
                                 .build = build,
                                 .config_of = config_of,
                                 .has_experts = true};
  return family;
}

}  // namespace partita::models
