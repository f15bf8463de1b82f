// SPDX-License-Identifier: Apache-2.0
// The Qwen2 family (also 2.5): Llama with biases of q, k and v.
#include "models/rope_decoder.h"

namespace partita::models {
namespace {

BuiltModel build(const formats::HfConfig& config, const BuildOptions& options) {
  // sliding_window is a number in every config and counts only with use_sliding_window.
  RopeDecoder model = read_rope_decoder(config, "qwen2", {"use_sliding_window"});
  model.qkv_bias = true;
  return build_rope_decoder(model, config, options);
}

Json config_of(const Shape& shape) {
  return rope_decoder_config(shape, "qwen2", "Qwen2ForCausalLM");
}

}  // namespace

const Family& qwen2_family() {
  static constexpr Family family{.name = "qwen2",
                                 .model_type = "qwen2",
                                 .architecture = "Qwen2ForCausalLM",
                                 .build = build,
                                 .config_of = config_of};
  return family;
}

}  // namespace partita::models
