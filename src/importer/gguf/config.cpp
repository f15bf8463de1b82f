// SPDX-License-Identifier: Apache-2.0
// Translates the keys of GGUF files.
#include "importer/gguf/config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "importer/gguf/rope_factors.h"
#include "models/rope_decoder.h"
#include "support/error.h"

namespace partita::importer {
namespace {

using formats::Checkpoint;
using formats::GgufMetadata;
using formats::GgufValue;

constexpr char kRopeFactors[] = "rope_freqs.weight";

// Keys of an architecture that the functions below read, or that change nothing.
constexpr std::array<std::string_view, 21> kKnownKeys = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_used_count",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "tensor_data_layout",
    "vocab_size",
};

bool is_off(const GgufValue& value) {
  const auto is_zero = [](const auto number) { return number == 0; };
  return std::all_of(value.integers.begin(), value.integers.end(), is_zero) &&
         std::all_of(value.numbers.begin(), value.numbers.end(), is_zero) && value.texts.empty() &&
         value.arrays.empty();
}

class ConfigReader {
 public:
  ConfigReader(const GgufMetadata& metadata, const Checkpoint& checkpoint)
      : metadata_(metadata),
        checkpoint_(checkpoint),
        architecture_(gguf_architecture(metadata)),
        prefix_(str(architecture_.name, ".")) {}

  Json read() {
    refuse_unknown_keys();
    config_["model_type"] = architecture_.model_type;
    config_["vocab_size"] = require("token_embd.weight").shape.at(0);
    config_["tie_word_embeddings"] = !checkpoint_.has("output.weight");
    switch (architecture_.sizes) {
      case GgufSizes::kRotary:
        read_rotary();
        break;
      case GgufSizes::kLearnedPositions:
        read_learned_positions();
        break;
    }
    read_tokens();
    return parse_json(config_.dump(), metadata_.what());  // numbers in the types that files give
  }

 private:
  [[nodiscard]] std::string key(std::string_view name) const { return str(prefix_, name); }
  [[nodiscard]] int64_t size(std::string_view name) const { return metadata_.integer(key(name)); }

  [[noreturn]] void unsupported(const std::string& problem) const {
    throw Error(ErrorCode::kUnsupported, str("[gguf] ", metadata_.what(), ": ", problem));
  }

  void refuse_unknown_keys() const {
    for (const auto& [name, value] : metadata_.values()) {
      if (!name.starts_with(prefix_)) continue;
      if (name == key("attention.causal") && metadata_.flag_or(name, true)) continue;
      if (is_off(value) && name != key("attention.causal")) continue;
      const std::string_view own = std::string_view(name).substr(prefix_.size());
      if (std::find(kKnownKeys.begin(), kKnownKeys.end(), own) != kKnownKeys.end()) continue;
      unsupported(str(formats::printable(name), " is ", to_string(value),
                      "; it may change what the model computes, and partita does not know it"));
    }
  }

  const formats::TensorInfo& require(const std::string& tensor) const {
    const formats::TensorInfo& info = *checkpoint_.find(tensor).info;
    if (info.shape.size() == 2) return info;
    throw Error(ErrorCode::kInvalidFile, str("[gguf] ", metadata_.what(), ": tensor ", tensor,
                                             " has ", info.shape.size(), " dims; expected 2"));
  }

  void read_rotary() {
    config_["hidden_size"] = size("embedding_length");
    config_["num_hidden_layers"] = size("block_count");
    config_["intermediate_size"] = size("feed_forward_length");
    config_["max_position_embeddings"] = size("context_length");
    config_["rms_norm_eps"] = metadata_.number(key("attention.layer_norm_rms_epsilon"));
    read_heads();
    read_rope();
    read_biases();
    read_experts();
  }

  void read_heads() {
    const int64_t heads = size("attention.head_count");
    if (heads < 1) metadata_.refuse(key("attention.head_count"), "at least 1");
    const int64_t head_dim = metadata_.integer_if(key("attention.key_length"))
                                 .value_or(size("embedding_length") / heads);
    if (metadata_.integer_if(key("attention.value_length")).value_or(head_dim) != head_dim) {
      metadata_.refuse(key("attention.value_length"), str("the key length, ", head_dim));
    }
    if (metadata_.integer_if(key("rope.dimension_count")).value_or(head_dim) != head_dim) {
      metadata_.refuse(key("rope.dimension_count"),
                       str("the size of a head, ", head_dim, ": whole heads are rotated"));
    }
    config_["num_attention_heads"] = heads;
    config_["num_key_value_heads"] =
        metadata_.integer_if(key("attention.head_count_kv")).value_or(heads);
    config_["head_dim"] = head_dim;
  }

  void read_rope() {
    const double theta = metadata_.number_or(key("rope.freq_base"), 10000);
    config_["rope_theta"] = theta;
    const std::string type = metadata_.text_or(key("rope.scaling.type"), "none");
    const double factor = metadata_.number_or(key("rope.scaling.factor"),
                                              metadata_.number_or(key("rope.scale_linear"), 1));
    if (checkpoint_.has(kRopeFactors)) return read_rope_factors(theta, type);
    if (type == "linear" || (type == "none" && metadata_.has(key("rope.scale_linear")))) {
      config_["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor}};
    } else if (type != "none") {
      unsupported(str(key("rope.scaling.type"), " is \"", formats::printable(type),
                      "\"; partita knows none, linear and the factors of ", kRopeFactors));
    }
  }

  void read_rope_factors(double theta, const std::string& scaling_type) {
    if (scaling_type != "none" && scaling_type != "linear")
      unsupported(str(key("rope.scaling.type"), " is \"", formats::printable(scaling_type),
                      "\" beside ", kRopeFactors));
    const formats::TensorPlace place = checkpoint_.find(kRopeFactors);
    const int64_t count = config_["head_dim"].get<int64_t>() / 2;
    if (place.info->dtype != DType::kF32 || place.info->shape != std::vector<int64_t>{count}) {
      throw Error(ErrorCode::kInvalidFile, str("[gguf] ", metadata_.what(), ": tensor ",
                                               kRopeFactors, ": expected F32 [", count, "]"));
    }
    std::vector<float> values(static_cast<size_t>(count));
    place.file->read(place.info->bytes.begin, std::as_writable_bytes(std::span(values)));
    if (std::all_of(values.begin(), values.end(), [](float value) { return value == 1; })) return;
    const auto rope = rope_config_of({values.begin(), values.end()}, theta);
    if (!rope) {
      unsupported(str("tensor ", kRopeFactors,
                      " scales rotary positions in a way that is not that of Llama 3"));
    }
    config_["rope_scaling"] = {{"rope_type", rope->type},
                               {"factor", rope->factor},
                               {"low_freq_factor", rope->low_freq_factor},
                               {"high_freq_factor", rope->high_freq_factor},
                               {"original_max_position_embeddings", rope->original_max_positions}};
  }

  // Biases are seen from the first layer. Those of q, k and v alone make it a model of another
  // type.
  void read_biases() {
    const bool has_input_bias = checkpoint_.has("blk.0.attn_q.bias");
    const bool has_output_bias = checkpoint_.has("blk.0.attn_output.bias");
    if (architecture_.model_type != "llama") return;
    if (has_input_bias && !has_output_bias) config_["model_type"] = "qwen2";
    config_["attention_bias"] = has_input_bias && has_output_bias;
    config_["mlp_bias"] = checkpoint_.has("blk.0.ffn_gate.bias");
  }

  void read_experts() {
    const int64_t experts = metadata_.integer_if(key("expert_count")).value_or(0);
    if (experts == 0) return;
    if (experts > models::kMaxExperts) {
      metadata_.refuse(key("expert_count"), str("at most ", models::kMaxExperts));
    }
    if (architecture_.model_type != "llama") {
      metadata_.refuse(key("expert_count"), "no experts in this architecture");
    }
    config_["model_type"] = "mixtral";
    config_["num_local_experts"] = experts;
    config_["num_experts_per_tok"] = size("expert_used_count");
  }

  void read_learned_positions() {
    config_["n_embd"] = size("embedding_length");
    config_["n_layer"] = size("block_count");
    config_["n_head"] = size("attention.head_count");
    config_["n_inner"] = size("feed_forward_length");
    config_["n_positions"] = size("context_length");
    config_["layer_norm_epsilon"] = metadata_.number(key("attention.layer_norm_epsilon"));
  }

  // Models that chat end a turn with another token than a text.
  void read_tokens() {
    if (const auto bos = metadata_.integer_if("tokenizer.ggml.bos_token_id")) {
      config_["bos_token_id"] = *bos;
    }
    Json ends = Json::array();
    for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
      const auto id = metadata_.integer_if(str("tokenizer.ggml.", name));
      if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
    }
    if (!ends.empty()) config_["eos_token_id"] = ends;
  }

  const GgufMetadata& metadata_;
  const Checkpoint& checkpoint_;
  const GgufArchitecture& architecture_;
  std::string prefix_;
  Json config_ = Json::object();
};

}  // namespace

const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata) {
  const std::string name = metadata.text("general.architecture");
  if (const GgufArchitecture* known = find_gguf_architecture(name)) return *known;
  throw Error(ErrorCode::kUnsupported,
              str("[gguf] ", metadata.what(), ": general.architecture is \"",
                  formats::printable(name), "\"; partita knows ", known_gguf_architectures()));
}

Json config_of_gguf(const GgufMetadata& metadata, const Checkpoint& checkpoint) {
  return ConfigReader(metadata, checkpoint).read();
}

}  // namespace partita::importer
