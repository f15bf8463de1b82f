// SPDX-License-Identifier: Apache-2.0
// The decoder that Llama and its many relatives share: RMSNorm, rotary positions, grouped-query
// attention and a gated feed-forward, dense or of experts. A family says what its config means.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hf_config.h"
#include "models/decoder_builder.h"

namespace partita::models {

// The feed-forward of a sparse layer. Tensors: PREFIX.gate.weight [experts, hidden] routes, and
// PREFIX.experts.E.{gate,up,down}.weight, or for all experts together, as transformers 5 holds
// them, mlp.experts.gate_up_proj [experts, 2 feed_forward, hidden] and mlp.experts.down_proj.
struct SparseFeedForward {
  int64_t experts = 0;
  int64_t top_k = 0;  // experts per token
  int64_t feed_forward = 0;
  bool normalize = false;  // the weights of the chosen ones are made to sum to 1
  std::string_view prefix;
  std::string_view gate;
  std::string_view up;
  std::string_view down;
};

struct RopeDecoder {
  std::string_view family;
  int64_t hidden = 0;
  int64_t feed_forward = 0;  // of dense layers
  AttentionHeads heads;
  double eps = 0;
  std::string_view activation;
  ir::Attributes rope;
  bool qkv_bias = false;
  bool output_bias = false;  // of o_proj
  bool mlp_bias = false;
  bool qk_norm = false;  // RMSNorm of each head of q and k before the rotation
  SparseFeedForward sparse;
  std::vector<bool> is_sparse;  // per layer; layers beyond its end are dense
};

// What differs between families when a key is missing.
struct RopeDecoderDefaults {
  double rope_theta = 10000;
  double eps = 1e-6;
  int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
};

// Reads what all relatives spell alike: sizes, heads, activation, rotary positions, eps. Refuses
// `refused` and the options that none of them knows. Throws kInvalidFile or kUnsupported.
[[nodiscard]] RopeDecoder read_rope_decoder(const formats::HfConfig& config,
                                            std::string_view family,
                                            std::initializer_list<std::string_view> refused,
                                            const RopeDecoderDefaults& defaults = {});

inline constexpr int64_t kMaxExperts = 4096;  // several times the most of any published model

// The number of experts under the first of `names` that is there. Throws kInvalidFile beyond
// kMaxExperts.
[[nodiscard]] int64_t experts_of(const formats::HfConfig& config, formats::HfConfig::Names names);

// num_experts_per_tok, checked against `experts`; throws kInvalidFile.
[[nodiscard]] int64_t experts_per_token(const formats::HfConfig& config, int64_t experts);

// The graph; layers, vocab_size, max_position_embeddings and tie_word_embeddings come from config.
[[nodiscard]] BuiltModel build_rope_decoder(const RopeDecoder& model,
                                            const formats::HfConfig& config,
                                            const BuildOptions& options);

// config.json of a model that is to be made up, in the spelling that all relatives share.
[[nodiscard]] Json rope_decoder_config(const Shape& shape,
                                       std::string_view model_type,
                                       std::string_view architecture);

}  // namespace partita::models
