// SPDX-License-Identifier: Apache-2.0
// The Qwen3 family: Llama with RMSNorm of each head of q and k.
#include "models/rope_decoder.h"

namespace partita::models {
namespace {

BuiltModel build(const formats::HfConfig& config, const BuildOptions& options) {
  // sliding_window is a number in every config and counts only with use_sliding_window.
  RopeDecoder model = read_rope_decoder(config, "qwen3", {"use_sliding_window"}, {.head_dim = 128});
  model.qk_norm = true;
  model.qkv_bias = model.output_bias = config.flag_or({"attention_bias"}, false);
  return build_rope_decoder(model, config, options);
}

Json config_of(const Shape& shape) {
  return rope_decoder_config(shape, "qwen3", "Qwen3ForCausalLM");
}

}  // namespace

const Family& qwen3_family() {
  static constexpr Family family{.name = "qwen3",
                                 .model_type = "qwen3",
                                 .architecture = "Qwen3ForCausalLM",
                                 .build = build,
                                 .config_of = config_of};
  return family;
}

}  // namespace partita::models
