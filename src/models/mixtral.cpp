// SPDX-License-Identifier: Apache-2.0
// The Mixtral family: Mistral with experts in every layer, their weights made to sum to 1.
#include "models/rope_decoder.h"

namespace partita::models {
namespace {

BuiltModel build(const formats::HfConfig& config, const BuildOptions& options) {
  RopeDecoder model =
      read_rope_decoder(config, "mixtral", {"sliding_window"}, {.rope_theta = 1e6, .eps = 1e-5});
  const int64_t experts = experts_of(config, {"num_local_experts"});
  model.sparse = {.experts = experts,
                  .top_k = experts_per_token(config, experts),
                  .feed_forward = model.feed_forward,
                  .normalize = true,
                  .prefix = "block_sparse_moe",
                  .gate = "w1",
                  .up = "w3",
                  .down = "w2"};
  model.is_sparse.assign(static_cast<size_t>(layers_of(config)), true);
  return build_rope_decoder(model, config, options);
}

Json config_of(const Shape& shape) {
  Json config = rope_decoder_config(shape, "mixtral", "MixtralForCausalLM");
  config["num_local_experts"] = shape.experts;
  config["num_experts_per_tok"] = shape.experts_per_token;
  return config;
}

}  // namespace

const Family& mixtral_family() {
  static constexpr Family family{.name = "mixtral",
                                 .model_type = "mixtral",
                                 .architecture = "MixtralForCausalLM",
                                 .build = build,
                                 .config_of = config_of,
                                 .has_experts = true};
  return family;
}

}  // namespace partita::models
