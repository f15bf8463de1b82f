// SPDX-License-Identifier: Apache-2.0
// The GPT-2 family: LayerNorm, learned positions, fused q/k/v in Conv1D layout ([in, out]).
#include <cmath>

#include "models/decoder_builder.h"
#include "support/error.h"

namespace partita::models {
namespace {

using formats::HfConfig;
using ir::ValueId;
using ir::WeightSource;

struct Gpt2 {
  int64_t hidden = 0;
  int64_t feed_forward = 0;
  AttentionHeads heads;
  double eps = 0;
  std::string_view activation;
  bool scale_attention = true;
  bool scale_by_layer = false;
  std::string prefix;  // of all tensors but the head
};

// Checkpoints saved from the bare model lack the prefix; the first published files do as well.
std::string prefix_of(const BuildOptions& options) {
  const bool bare = options.has_tensor && options.has_tensor("wte.weight");
  return bare ? "" : "transformer.";
}

Gpt2 read_config(const HfConfig& config, const BuildOptions& options) {
  refuse_options(config, "gpt2",
                 {"add_cross_attention", "is_encoder_decoder", "quantization_config"});
  const int64_t hidden = config.size({"hidden_size", "n_embd"});
  const int64_t heads = config.size({"num_attention_heads", "n_head"});
  const int64_t head_dim =
      exact_quotient(config, {"hidden_size", "n_embd"}, {"num_attention_heads", "n_head"});
  return {
      .hidden = hidden,
      .feed_forward = config.size_or({"n_inner", "intermediate_size"}, 4 * hidden),
      .heads = {heads, heads, head_dim},
      .eps = config.positive_or({"layer_norm_epsilon", "layer_norm_eps"}, 1e-5),
      .activation =
          activation_op(config, config.text_or({"activation_function", "hidden_act"}, "gelu_new")),
      .scale_attention = config.flag_or({"scale_attn_weights"}, true),
      .scale_by_layer = config.flag_or({"scale_attn_by_inverse_layer_idx"}, false),
      .prefix = prefix_of(options),
  };
}

class Gpt2Builder {
 public:
  Gpt2Builder(const Gpt2& model, const BuildOptions& options)
      : model_(model), builder_("gpt2", options) {}

  ir::Graph build(const BuiltModel& sizes, bool tied) {
    prefix_ = model_.prefix;
    const ValueId table =
        builder_.matrix("wte.weight", {sizes.vocab_size, model_.hidden}, tensor("wte.weight"));
    const ValueId places =
        builder_.matrix("wpe.weight", {sizes.max_positions, model_.hidden}, tensor("wpe.weight"));
    const ValueId tokens = builder_.op("embedding", "embed_tokens", {table, builder_.token_ids()});
    const ValueId positions =
        builder_.op("embedding", "embed_positions", {places, builder_.positions()});
    ValueId x = builder_.op("add", "embed", {tokens, positions});
    for (int64_t layer = 0; layer < sizes.layers; ++layer) {
      builder_.set_layer(layer);
      prefix_ = str(model_.prefix, "h.", layer, ".");
      x = builder_.op("add", "attn_residual", {x, attention(x, layer)});
      x = builder_.op("add", "mlp_residual", {x, feed_forward(x)});
    }
    builder_.set_layer(-1);
    prefix_ = model_.prefix;
    const ValueId rows = norm("final_norm", "ln_f", builder_.logit_rows(x));
    const ValueId head = tied ? table
                              : builder_.matrix("lm_head.weight", {sizes.vocab_size, model_.hidden},
                                                WeightSource::from_tensor("lm_head.weight"));
    return builder_.finish(rows, head);
  }

 private:
  WeightSource tensor(const std::string& name) const {
    return WeightSource::from_tensor(prefix_ + name);
  }

  ValueId norm(const std::string& name, const std::string& source, ValueId x) {
    const ValueId weight =
        builder_.vector(name + ".weight", model_.hidden, tensor(source + ".weight"));
    const ValueId bias = builder_.vector(name + ".bias", model_.hidden, tensor(source + ".bias"));
    ir::Attributes attributes;
    attributes.set("eps", model_.eps);
    return builder_.op("layer_norm", name, {x, weight, bias}, std::move(attributes));
  }

  // Columns [begin, begin + out) of a Conv1D layer as a plain linear layer.
  LinearWeights conv1d(const std::string& source, int64_t in, Range columns) const {
    return {tensor(source + ".weight").slice(1, columns).transpose({1, 0}),
            tensor(source + ".bias").slice(0, columns), in, columns.size()};
  }

  LinearWeights conv1d(const std::string& source, int64_t in, int64_t out) const {
    return {tensor(source + ".weight").transpose({1, 0}), tensor(source + ".bias"), in, out};
  }

  // Part 0, 1 or 2 of c_attn, whose columns are [Q; K; V].
  ValueId project(const std::string& name, ValueId x, int64_t part) {
    const Range columns{part * model_.hidden, (part + 1) * model_.hidden};
    const ValueId flat = builder_.linear(str("attn.", name, "_proj"), x,
                                         conv1d("attn.c_attn", model_.hidden, columns));
    return builder_.split_heads("attn." + name, flat, model_.heads.head_dim);
  }

  ValueId attention(ValueId residual, int64_t layer) {
    const ValueId x = norm("attn_norm", "ln_1", residual);
    const ValueId q = project("q", x, 0);
    const ValueId k = project("k", x, 1);
    const ValueId v = project("v", x, 2);
    double scale =
        model_.scale_attention ? 1 / std::sqrt(static_cast<double>(model_.heads.head_dim)) : 1;
    if (model_.scale_by_layer) scale /= static_cast<double>(layer + 1);
    const ValueId merged = builder_.attention({q, k, v}, model_.heads, scale);
    return builder_.linear("attn.o_proj", merged,
                           conv1d("attn.c_proj", model_.hidden, model_.hidden));
  }

  ValueId feed_forward(ValueId residual) {
    const ValueId x = norm("mlp_norm", "ln_2", residual);
    const ValueId up =
        builder_.linear("mlp.up_proj", x, conv1d("mlp.c_fc", model_.hidden, model_.feed_forward));
    const ValueId activated = builder_.op(model_.activation, "mlp.activation", {up});
    return builder_.linear("mlp.down_proj", activated,
                           conv1d("mlp.c_proj", model_.feed_forward, model_.hidden));
  }

  const Gpt2& model_;
  DecoderBuilder builder_;
  std::string prefix_;
};

BuiltModel build(const HfConfig& config, const BuildOptions& options) {
  const Gpt2 model = read_config(config, options);
  BuiltModel built;
  built.vocab_size = config.size({"vocab_size"});
  built.max_positions = config.size({"n_positions", "max_position_embeddings", "n_ctx"});
  built.layers = layers_of(config);
  const bool tied = config.flag_or({"tie_word_embeddings"}, true);
  built.graph = Gpt2Builder(model, options).build(built, tied);
  return built;
}

Json config_of(const Shape& shape) {
  if (shape.kv_heads != shape.heads || shape.head_dim * shape.heads != shape.hidden) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[make-model] family gpt2 has as many kv heads as heads and hidden = heads * ",
                    "head_dim; got ", shape.kv_heads, " kv heads, ", shape.heads, " heads of ",
                    shape.head_dim, " and hidden ", shape.hidden));
  }
  return {{"architectures", Json::array({"GPT2LMHeadModel"})},
          {"model_type", "gpt2"},
          {"activation_function", "gelu_new"},
          {"n_embd", shape.hidden},
          {"n_inner", shape.feed_forward},
          {"n_layer", shape.layers},
          {"n_head", shape.heads},
          {"n_positions", shape.max_positions},
          {"n_ctx", shape.max_positions},
          {"layer_norm_epsilon", 1e-5},
          {"tie_word_embeddings", shape.tied},
          {"vocab_size", shape.vocab_size}};
}

}  // namespace

const Family& gpt2_family() {
  static constexpr Family family{.name = "gpt2",
                                 .model_type = "gpt2",
                                 .architecture = "GPT2LMHeadModel",
                                 .build = build,
                                 .config_of = config_of};
  return family;
}

}  // namespace partita::models
