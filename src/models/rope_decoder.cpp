// SPDX-License-Identifier: Apache-2.0
// Reads the config and builds the graph of Llama and its relatives.
#include "models/rope_decoder.h"

#include <cmath>

#include "models/sparse_feed_forward.h"
#include "support/error.h"

namespace partita::models {
namespace {

using formats::HfConfig;
using ir::ValueId;
using ir::WeightSource;

int64_t kv_heads_of(const HfConfig& config, int64_t heads) {
  const int64_t kv_heads = config.size_or({"num_key_value_heads"}, heads);
  if (heads % kv_heads == 0) return kv_heads;
  throw Error(ErrorCode::kInvalidFile,
              str("[config] ", config.what(), ": \"num_attention_heads\" is ", heads,
                  " and \"num_key_value_heads\" is ", kv_heads, "; expected a multiple"));
}

int64_t head_dim_of(const HfConfig& config, int64_t fallback) {
  int64_t head_dim = fallback;
  if (config.find("head_dim") != nullptr) {
    head_dim = config.size({"head_dim"});
  } else if (fallback == 0) {
    head_dim = exact_quotient(config, {"hidden_size"}, {"num_attention_heads"});
  }
  if (head_dim % 2 == 0) return head_dim;
  throw Error(ErrorCode::kInvalidFile, str("[config] ", config.what(), ": heads of ", head_dim,
                                           " elements; rotary positions need an even number"));
}

ir::Attributes rope_of(const HfConfig& config, std::string_view family, double default_theta) {
  const formats::RopeConfig rope = config.rope();
  const bool is_given =
      config.find("rope_theta") != nullptr || config.find("rope_parameters") != nullptr;
  ir::Attributes attributes;
  attributes.set("theta", is_given ? rope.theta : default_theta);
  if (rope.type == "default") return attributes;
  if (rope.type != "linear" && rope.type != "llama3") {
    throw Error(ErrorCode::kUnsupported,
                str("[config] ", config.what(), ": rope type \"", rope.type,
                    "\" is not known; family ", family, " knows default, linear, llama3"));
  }
  attributes.set("rope_type", rope.type);
  attributes.set("factor", rope.factor);
  if (rope.type == "linear") return attributes;
  if (rope.original_max_positions < 1 || rope.low_freq_factor >= rope.high_freq_factor) {
    throw Error(ErrorCode::kInvalidFile,
                str("[config] ", config.what(),
                    ": rope type llama3 needs original_max_position_embeddings and ",
                    "low_freq_factor < high_freq_factor; got ", rope.original_max_positions, ", ",
                    rope.low_freq_factor, ", ", rope.high_freq_factor));
  }
  attributes.set("low_freq_factor", rope.low_freq_factor);
  attributes.set("high_freq_factor", rope.high_freq_factor);
  attributes.set("original_max_position", rope.original_max_positions);
  return attributes;
}

void refuse_unknown_mathematics(const HfConfig& config, std::string_view family) {
  refuse_options(
      config, family,
      {"attn_logit_softcapping", "final_logit_softcapping", "logit_scale", "logits_scaling",
       "embedding_multiplier", "residual_multiplier", "attention_multiplier", "use_qk_norm",
       "qk_layernorm", "clip_qkv", "alibi", "is_encoder_decoder", "quantization_config"});
  require_full_attention(config);
  const double partial = config.rope().partial_rotary_factor;
  if (partial != 1) {
    throw Error(ErrorCode::kUnsupported,
                str("[config] ", config.what(), ": partial_rotary_factor is ", partial, "; family ",
                    family, " rotates whole heads only"));
  }
}

class RopeDecoderBuilder {
 public:
  RopeDecoderBuilder(const RopeDecoder& model, const BuildOptions& options)
      : model_(model), options_(options), builder_(std::string(model.family), options) {}

  ir::Graph build(int64_t layers, int64_t vocab, bool tied) {
    const ValueId table = builder_.matrix("embed_tokens.weight", {vocab, model_.hidden},
                                          WeightSource::from_tensor("model.embed_tokens.weight"));
    ValueId x = builder_.op("embedding", "embed", {table, builder_.token_ids()});
    for (int64_t layer = 0; layer < layers; ++layer) {
      builder_.set_layer(layer);
      prefix_ = str("model.layers.", layer, ".");
      x = builder_.op("add", "attn_residual", {x, attention(x)});
      const ValueId normed = norm("mlp_norm", "post_attention_layernorm", model_.hidden, x);
      x = builder_.op("add", "mlp_residual", {x, feed_forward(layer, normed)});
    }
    builder_.set_layer(-1);
    prefix_ = "model.";
    const ValueId rows = norm("final_norm", "norm", model_.hidden, builder_.logit_rows(x));
    const ValueId head = tied ? table
                              : builder_.matrix("lm_head.weight", {vocab, model_.hidden},
                                                WeightSource::from_tensor("lm_head.weight"));
    return builder_.finish(rows, head);
  }

 private:
  ValueId norm(const std::string& name, const std::string& tensor, int64_t size, ValueId x) {
    const ValueId weight = builder_.vector(name + ".weight", size,
                                           WeightSource::from_tensor(prefix_ + tensor + ".weight"));
    ir::Attributes attributes;
    attributes.set("eps", model_.eps);
    return builder_.op("rms_norm", name, {x, weight}, std::move(attributes));
  }

  LinearWeights weights(const std::string& tensor, int64_t in, int64_t out, bool has_bias) const {
    LinearWeights result{WeightSource::from_tensor(prefix_ + tensor + ".weight"), {}, in, out};
    if (has_bias) result.bias = WeightSource::from_tensor(prefix_ + tensor + ".bias");
    return result;
  }

  // q, k or v of the normalised input as [t, heads, head_dim].
  ValueId project(const std::string& name, ValueId x, int64_t heads) {
    const int64_t width = heads * model_.heads.head_dim;
    const ValueId flat = builder_.linear(
        str("attn.", name, "_proj"), x,
        weights(str("self_attn.", name, "_proj"), model_.hidden, width, model_.qkv_bias));
    return builder_.split_heads("attn." + name, flat, model_.heads.head_dim);
  }

  // q or k: projected, normalised per head where the family does, rotated.
  ValueId rotated(const std::string& name, ValueId x, int64_t heads) {
    ValueId projected = project(name, x, heads);
    if (model_.qk_norm) {
      projected = norm(str("attn.", name, "_norm"), str("self_attn.", name, "_norm"),
                       model_.heads.head_dim, projected);
    }
    return builder_.op("rope", str("attn.", name, "_rope"), {projected, builder_.positions()},
                       model_.rope);
  }

  ValueId attention(ValueId residual) {
    const ValueId x = norm("attn_norm", "input_layernorm", model_.hidden, residual);
    const AttentionHeads& heads = model_.heads;
    const ValueId q = rotated("q", x, heads.heads);
    const ValueId k = rotated("k", x, heads.kv_heads);
    const ValueId v = project("v", x, heads.kv_heads);
    const double scale = 1 / std::sqrt(static_cast<double>(heads.head_dim));
    const ValueId merged = builder_.attention({q, k, v}, heads, scale);
    return builder_.linear("attn.o_proj", merged,
                           weights("self_attn.o_proj", heads.heads * heads.head_dim, model_.hidden,
                                   model_.output_bias));
  }

  ValueId feed_forward(int64_t layer, ValueId x) {
    const auto index = static_cast<size_t>(layer);
    if (index < model_.is_sparse.size() && model_.is_sparse[index]) {
      return add_sparse_feed_forward(builder_, {model_, options_, prefix_}, x);
    }
    const int64_t wide = model_.feed_forward;
    const ValueId gate = builder_.linear(
        "mlp.gate_proj", x, weights("mlp.gate_proj", model_.hidden, wide, model_.mlp_bias));
    const ValueId up = builder_.linear(
        "mlp.up_proj", x, weights("mlp.up_proj", model_.hidden, wide, model_.mlp_bias));
    const ValueId activated = builder_.op(model_.activation, "mlp.activation", {gate});
    const ValueId product = builder_.op("mul", "mlp.product", {activated, up});
    return builder_.linear("mlp.down_proj", product,
                           weights("mlp.down_proj", wide, model_.hidden, model_.mlp_bias));
  }

  const RopeDecoder& model_;
  const BuildOptions& options_;
  DecoderBuilder builder_;
  std::string prefix_;
};

}  // namespace

RopeDecoder read_rope_decoder(const HfConfig& config,
                              std::string_view family,
                              std::initializer_list<std::string_view> refused,
                              const RopeDecoderDefaults& defaults) {
  refuse_options(config, family, refused);
  refuse_unknown_mathematics(config, family);
  const int64_t heads = config.size({"num_attention_heads"});
  RopeDecoder model;
  model.family = family;
  model.hidden = config.size({"hidden_size"});
  model.feed_forward = config.size({"intermediate_size"});
  model.heads = {heads, kv_heads_of(config, heads), head_dim_of(config, defaults.head_dim)};
  model.eps = config.positive_or({"rms_norm_eps"}, defaults.eps);
  model.activation = activation_op(config, config.text_or({"hidden_act"}, "silu"));
  model.rope = rope_of(config, family, defaults.rope_theta);
  return model;
}

BuiltModel build_rope_decoder(const RopeDecoder& model,
                              const HfConfig& config,
                              const BuildOptions& options) {
  BuiltModel built;
  built.vocab_size = config.size({"vocab_size"});
  built.max_positions = config.size_or({"max_position_embeddings"}, 2048);
  built.layers = layers_of(config);
  const bool tied = config.flag_or({"tie_word_embeddings"}, false);
  built.graph = RopeDecoderBuilder(model, options).build(built.layers, built.vocab_size, tied);
  return built;
}

Json rope_decoder_config(const Shape& shape,
                         std::string_view model_type,
                         std::string_view architecture) {
  return {{"architectures", Json::array({architecture})},
          {"model_type", model_type},
          {"hidden_size", shape.hidden},
          {"intermediate_size", shape.feed_forward},
          {"num_hidden_layers", shape.layers},
          {"num_attention_heads", shape.heads},
          {"num_key_value_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"hidden_act", "silu"},
          {"max_position_embeddings", shape.max_positions},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", shape.tied},
          {"vocab_size", shape.vocab_size}};
}

}  // namespace partita::models
