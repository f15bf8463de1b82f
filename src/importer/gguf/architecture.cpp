// SPDX-License-Identifier: Apache-2.0
// Tables of names, and the expressions between both layouts.
#include "importer/gguf/architecture.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "support/error.h"

namespace partita::importer {
namespace {

using ir::WeightSource;

constexpr std::array<GgufName, 16> kPairedNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.N.attn_norm", "model.layers.N.input_layernorm"},
    {"blk.N.attn_q", "model.layers.N.self_attn.q_proj", GgufLayout::kPairs},
    {"blk.N.attn_k", "model.layers.N.self_attn.k_proj", GgufLayout::kPairs},
    {"blk.N.attn_v", "model.layers.N.self_attn.v_proj"},
    {"blk.N.attn_output", "model.layers.N.self_attn.o_proj"},
    {"blk.N.ffn_norm", "model.layers.N.post_attention_layernorm"},
    {"blk.N.ffn_gate", "model.layers.N.mlp.gate_proj"},
    {"blk.N.ffn_up", "model.layers.N.mlp.up_proj"},
    {"blk.N.ffn_down", "model.layers.N.mlp.down_proj"},
    {"blk.N.ffn_gate_inp", "model.layers.N.block_sparse_moe.gate"},
    {"blk.N.ffn_gate_exps", "model.layers.N.block_sparse_moe.experts.E.w1", GgufLayout::kExpert},
    {"blk.N.ffn_down_exps", "model.layers.N.block_sparse_moe.experts.E.w2", GgufLayout::kExpert},
    {"blk.N.ffn_up_exps", "model.layers.N.block_sparse_moe.experts.E.w3", GgufLayout::kExpert},
}};

constexpr std::array<GgufName, 14> kHalvedNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.N.attn_norm", "model.layers.N.input_layernorm"},
    {"blk.N.attn_q", "model.layers.N.self_attn.q_proj"},
    {"blk.N.attn_k", "model.layers.N.self_attn.k_proj"},
    {"blk.N.attn_v", "model.layers.N.self_attn.v_proj"},
    {"blk.N.attn_q_norm", "model.layers.N.self_attn.q_norm"},
    {"blk.N.attn_k_norm", "model.layers.N.self_attn.k_norm"},
    {"blk.N.attn_output", "model.layers.N.self_attn.o_proj"},
    {"blk.N.ffn_norm", "model.layers.N.post_attention_layernorm"},
    {"blk.N.ffn_gate", "model.layers.N.mlp.gate_proj"},
    {"blk.N.ffn_up", "model.layers.N.mlp.up_proj"},
    {"blk.N.ffn_down", "model.layers.N.mlp.down_proj"},
}};

constexpr std::array<GgufName, 10> kLearnedPositionNames = {{
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.N.attn_norm", "transformer.h.N.ln_1"},
    {"blk.N.attn_qkv", "transformer.h.N.attn.c_attn", GgufLayout::kTransposed},
    {"blk.N.attn_output", "transformer.h.N.attn.c_proj", GgufLayout::kTransposed},
    {"blk.N.ffn_norm", "transformer.h.N.ln_2"},
    {"blk.N.ffn_up", "transformer.h.N.mlp.c_fc", GgufLayout::kTransposed},
    {"blk.N.ffn_down", "transformer.h.N.mlp.c_proj", GgufLayout::kTransposed},
}};

constexpr std::array<GgufArchitecture, 4> kArchitectures = {{
    {"llama", "llama", GgufSizes::kRotary, kPairedNames, "model."},
    {"qwen2", "qwen2", GgufSizes::kRotary, kHalvedNames, "model."},
    {"qwen3", "qwen3", GgufSizes::kRotary, kHalvedNames, "model."},
    {"gpt2", "gpt2", GgufSizes::kLearnedPositions, kLearnedPositionNames, "transformer."},
}};

// Other models that are written under the name of one above.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kAliases = {
    {{"mistral", "llama"}, {"mixtral", "llama"}}};

// A name whose numbers became N and E.
struct Pattern {
  std::string text;
  std::vector<int64_t> numbers;
};

bool is_number(std::string_view part) {
  constexpr size_t kMaxDigits = 9;
  return !part.empty() && part.size() <= kMaxDigits &&
         std::all_of(part.begin(), part.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

Pattern pattern_of(std::string_view name) {
  Pattern pattern;
  while (true) {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string part(name.substr(0, dot));
    if (!pattern.text.empty()) pattern.text += '.';
    if (is_number(part)) {
      pattern.text += pattern.numbers.empty() ? "N" : "E";
      pattern.numbers.push_back(std::stoll(part));
    } else {
      pattern.text += part;
    }
    if (dot == name.size()) return pattern;
    name.remove_prefix(dot + 1);
  }
}

std::string with_layer(std::string_view name, const std::vector<int64_t>& numbers) {
  std::string text(name);
  const size_t layer = text.find(".N.");
  if (layer != std::string::npos) text.replace(layer + 1, 1, std::to_string(numbers.at(0)));
  return text;
}

// Rows of heads in the other order: [.., parts, head_dim / parts, ..] -> [.., head_dim / parts,
// parts, ..]. Halves become pairs with parts = 2, and pairs halves with parts = head_dim / 2.
WeightSource regrouped(const WeightSource& source,
                       const std::vector<int64_t>& shape,
                       int64_t head_dim,
                       int64_t parts) {
  const int64_t rows = shape.at(0);
  // A shape that no head fits is reported when the weight is compared with the config.
  if (head_dim < 2 || rows % head_dim != 0) return source;
  std::vector<int64_t> split = {rows / head_dim, parts, head_dim / parts};
  std::vector<int64_t> order = {0, 2, 1};
  for (size_t dim = 1; dim < shape.size(); ++dim) {
    split.push_back(shape[dim]);
    order.push_back(static_cast<int64_t>(dim) + 2);
  }
  return source.reshape(std::move(split)).transpose(std::move(order)).reshape(shape);
}

WeightSource expert_of(const WeightSource& stacked,
                       const std::vector<int64_t>& shape,
                       int64_t expert) {
  const std::vector<int64_t> one(shape.begin() + 1, shape.end());
  return stacked.slice(0, {expert, expert + 1}).reshape(one);
}

}  // namespace

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
  }
  return nullptr;
}

const GgufArchitecture* gguf_architecture_of(std::string_view model_type) {
  for (const auto& [alias, name] : kAliases) {
    if (alias == model_type) return find_gguf_architecture(name);
  }
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.model_type == model_type) return &architecture;
  }
  return nullptr;
}

std::string known_gguf_architectures() {
  std::string names;
  for (const GgufArchitecture& architecture : kArchitectures) {
    names += str(names.empty() ? "" : ", ", architecture.name);
  }
  return names;
}

std::optional<GgufCounterpart> gguf_counterpart(const GgufArchitecture& architecture,
                                                const std::string& hugging_face_name) {
  const size_t dot = hugging_face_name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string suffix = hugging_face_name.substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  const Pattern pattern = pattern_of(hugging_face_name.substr(0, dot));
  for (const GgufName& row : architecture.names) {
    if (row.hugging_face != pattern.text &&
        row.hugging_face != str(architecture.hugging_face_prefix, pattern.text)) {
      continue;
    }
    GgufCounterpart counterpart{with_layer(row.gguf, pattern.numbers) + suffix, row.layout, 0};
    if (row.layout == GgufLayout::kExpert) counterpart.expert = pattern.numbers.at(1);
    return counterpart;
  }
  return std::nullopt;
}

WeightSource from_gguf(const GgufCounterpart& counterpart,
                       const std::vector<int64_t>& shape,
                       int64_t head_dim) {
  const WeightSource tensor = WeightSource::from_tensor(counterpart.name);
  switch (counterpart.layout) {
    case GgufLayout::kSame:
      return tensor;
    case GgufLayout::kTransposed:
      return shape.size() == 2 ? tensor.transpose({1, 0}) : tensor;
    case GgufLayout::kPairs:
      return shape.empty() ? tensor : regrouped(tensor, shape, head_dim, head_dim / 2);
    case GgufLayout::kExpert:
      return shape.size() < 2 ? tensor : expert_of(tensor, shape, counterpart.expert);
  }
  return tensor;
}

WeightSource to_gguf(const std::string& name,
                     GgufLayout layout,
                     const std::vector<int64_t>& shape,
                     int64_t head_dim) {
  const WeightSource tensor = WeightSource::from_tensor(name);
  switch (layout) {
    case GgufLayout::kSame:
    case GgufLayout::kExpert:
      return tensor;
    case GgufLayout::kTransposed:
      return shape.size() == 2 ? tensor.transpose({1, 0}) : tensor;
    case GgufLayout::kPairs:
      return shape.empty() ? tensor : regrouped(tensor, shape, head_dim, 2);
  }
  return tensor;
}

}  // namespace partita::importer
