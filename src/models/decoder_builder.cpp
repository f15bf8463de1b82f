// SPDX-License-Identifier: Apache-2.0
// Shared parts of decoder graphs.
#include "models/decoder_builder.h"

#include <array>
#include <utility>

#include "ops/op.h"
#include "support/error.h"

namespace partita::models {
namespace {

constexpr int64_t kMaxLayers = 4096;  // ten times the deepest published model

ir::TensorType i32(std::vector<ir::Dim> dims) { return {DType::kI32, std::move(dims)}; }

}  // namespace

DecoderBuilder::DecoderBuilder(std::string graph_name, const BuildOptions& options)
    : graph_(std::move(graph_name)), options_(options) {
  token_ids_ = graph_.add_input("token_ids", i32({"t"}));
  positions_ = graph_.add_input("positions", i32({"t"}));
  sequence_ids_ = graph_.add_input("sequence_ids", i32({"t"}));
  block_tables_ = graph_.add_input("block_tables", i32({"s", "m"}));
  logit_rows_ = graph_.add_input("logit_rows", i32({"r"}));
}

std::string DecoderBuilder::local(std::string_view name) const {
  return layer_ < 0 ? std::string(name) : str("layers.", layer_, ".", name);
}

ir::ValueId DecoderBuilder::matrix(const std::string& name,
                                   std::vector<ir::Dim> shape,
                                   ir::WeightSource source) {
  return graph_.add_weight(local(name), {options_.weight_dtype, std::move(shape)},
                           std::move(source));
}

ir::ValueId DecoderBuilder::vector(const std::string& name, int64_t size, ir::WeightSource source) {
  return graph_.add_weight(local(name), {DType::kF32, {size}}, std::move(source));
}

ir::ValueId DecoderBuilder::op(std::string_view op,
                               const std::string& name,
                               std::vector<ir::ValueId> inputs,
                               ir::Attributes attributes) {
  return ops::add_op(graph_, op, std::move(inputs),
                     {.name = local(name), .attributes = std::move(attributes), .layer = layer_});
}

ir::ValueId DecoderBuilder::linear(const std::string& name,
                                   ir::ValueId x,
                                   const LinearWeights& weights) {
  const ir::ValueId weight = matrix(name + ".weight", {weights.out, weights.in}, weights.weight);
  const ir::ValueId product = op("linear", name, {x, weight});
  if (!weights.bias) return product;
  const ir::ValueId bias = vector(name + ".bias", weights.out, *weights.bias);
  return op("add", name + ".biased", {product, bias});
}

ir::ValueId DecoderBuilder::split_heads(const std::string& name, ir::ValueId x, int64_t head_dim) {
  // 0 keeps the tokens; -1, not a number, for the heads, because a plan may cut them.
  ir::Attributes attributes;
  attributes.set("shape", std::vector<int64_t>{0, -1, head_dim});
  return op("reshape", name, {x}, std::move(attributes));
}

ir::ValueId DecoderBuilder::attention(const std::vector<ir::ValueId>& qkv,
                                      const AttentionHeads& heads,
                                      double scale) {
  const ir::TensorType keys{DType::kF32,
                            {heads.kv_heads, "c", heads.head_dim, options_.block_size}};
  const ir::TensorType values{DType::kF32,
                              {heads.kv_heads, "c", options_.block_size, heads.head_dim}};
  const ir::ValueId k_cache = graph_.add_state(local("k_cache"), keys);
  const ir::ValueId v_cache = graph_.add_state(local("v_cache"), values);
  ir::Attributes attributes;
  attributes.set("scale", scale);
  attributes.set("group", heads.heads / heads.kv_heads);
  std::vector<ir::ValueId> inputs = qkv;
  for (const ir::ValueId input : {k_cache, v_cache, positions_, sequence_ids_, block_tables_}) {
    inputs.push_back(input);
  }
  const ir::ValueId attended = op("attention", "attn", std::move(inputs), std::move(attributes));
  ir::Attributes merged;
  merged.set("shape", std::vector<int64_t>{0, -1});
  return op("reshape", "attn.merged", {attended}, std::move(merged));
}

ir::ValueId DecoderBuilder::logit_rows(ir::ValueId x) {
  return op("take_rows", "rows", {x, logit_rows_});
}

ir::Graph DecoderBuilder::finish(ir::ValueId rows, ir::ValueId head) {
  graph_.set_outputs({op("linear", "logits", {rows, head})});
  return std::move(graph_);
}

std::string_view activation_op(const formats::HfConfig& config, const std::string& activation) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kActivations = {{
      {"gelu", "gelu"},
      {"gelu_fast", "gelu_tanh"},
      {"gelu_new", "gelu_tanh"},
      {"gelu_pytorch_tanh", "gelu_tanh"},
      {"relu", "relu"},
      {"sigmoid", "sigmoid"},
      {"silu", "silu"},
      {"swish", "silu"},
      {"tanh", "tanh"},
  }};
  std::string known;
  for (const auto& [name, op] : kActivations) {
    if (name == activation) return op;
    known += str(known.empty() ? "" : " ", name);
  }
  throw Error(ErrorCode::kUnsupported, str("[config] ", config.what(), ": activation \"",
                                           activation, "\" is not known; partita knows ", known));
}

void require_full_attention(const formats::HfConfig& config) {
  const Json* types = config.find("layer_types");
  if (types == nullptr) return;
  for (const Json& type : *types) {
    if (type == "full_attention") continue;
    throw Error(ErrorCode::kUnsupported,
                str("[config] ", config.what(), ": \"layer_types\" holds ",
                    type.dump().substr(0, 80), "; expected full_attention"));
  }
}

void refuse_options(const formats::HfConfig& config,
                    std::string_view family,
                    std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const Json* value = config.find(key);
    if (value == nullptr || *value == false || *value == 0) continue;
    throw Error(
        ErrorCode::kUnsupported,
        str("[config] ", config.what(), ": \"", key, "\" is ", value->dump().substr(0, 80),
            ", which changes what the model computes; family ", family, " does not support it"));
  }
}

int64_t layers_of(const formats::HfConfig& config) {
  const int64_t layers = config.size({"num_hidden_layers", "n_layer"});
  if (layers > kMaxLayers) {
    throw Error(ErrorCode::kInvalidFile, str("[config] ", config.what(), ": ", layers,
                                             " layers; expected at most ", kMaxLayers));
  }
  return layers;
}

int64_t exact_quotient(const formats::HfConfig& config,
                       formats::HfConfig::Names value,
                       formats::HfConfig::Names divisor) {
  const int64_t whole = config.size(value);
  const int64_t parts = config.size(divisor);
  if (whole % parts != 0) {
    throw Error(ErrorCode::kInvalidFile,
                str("[config] ", config.what(), ": \"", *value.begin(), "\" is ", whole, " and \"",
                    *divisor.begin(), "\" is ", parts, "; expected a multiple"));
  }
  return whole / parts;
}

}  // namespace partita::models
