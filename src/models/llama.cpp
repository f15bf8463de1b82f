// SPDX-License-Identifier: Apache-2.0
// The Llama family.
#include "models/rope_decoder.h"

namespace partita::models {
namespace {

BuiltModel build(const formats::HfConfig& config, const BuildOptions& options) {
  RopeDecoder model =
      read_rope_decoder(config, "llama", {"sliding_window", "num_local_experts", "num_experts"});
  model.qkv_bias = model.output_bias = config.flag_or({"attention_bias"}, false);
  model.mlp_bias = config.flag_or({"mlp_bias"}, false);
  return build_rope_decoder(model, config, options);
}

Json config_of(const Shape& shape) {
  return rope_decoder_config(shape, "llama", "LlamaForCausalLM");
}

}  // namespace

const Family& llama_family() {
  static constexpr Family family{.name = "llama",
                                 .model_type = "llama",
                                 .architecture = "LlamaForCausalLM",
                                 .build = build,
                                 .config_of = config_of};
  return family;
}

}  // namespace partita::models
