// SPDX-License-Identifier: Apache-2.0
// The Mistral family: Llama without biases; the sliding window of the first release is not
// supported.
#include "models/rope_decoder.h"

namespace partita::models {
namespace {

BuiltModel build(const formats::HfConfig& config, const BuildOptions& options) {
  return build_rope_decoder(read_rope_decoder(config, "mistral", {"sliding_window"}), config,
                            options);
}

}  // namespace

const Family& mistral_family() {
  static constexpr Family family{.name = "mistral",
                                 .model_type = "mistral",
                                 .architecture = "MistralForCausalLM",
                                 .build = build};
  return family;
}

}  // namespace partita::models
