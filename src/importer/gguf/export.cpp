// SPDX-License-Identifier: Apache-2.0
// Translates config.json and tensor names into those of GGUF.
#include "importer/gguf/export.h"

#include <algorithm>

#include "importer/gguf/architecture.h"
#include "importer/gguf/rope_factors.h"
#include "support/error.h"

namespace partita::importer {
namespace {

using formats::GgufValue;
using formats::HfConfig;
using ir::WeightSource;

// What the format's own tools do not quantise either.
bool stays_plain(const std::string& name) {
  return name == "position_embd.weight" || name.ends_with("ffn_gate_inp.weight");
}

const GgufArchitecture& architecture_of(const HfConfig& config) {
  if (const GgufArchitecture* found = gguf_architecture_of(config.model_type())) return *found;
  throw Error(ErrorCode::kUnsupported,
              str("[gguf] ", config.what(), ": model_type \"", config.model_type(),
                  "\" has no GGUF architecture; ", "partita writes ", known_gguf_architectures()));
}

class Exporter {
 public:
  Exporter(const HfConfig& config, const TensorShapes& tensors)
      : config_(config), tensors_(tensors), architecture_(architecture_of(config)) {}

  GgufExport run() {
    result_.metadata["general.architecture"] = GgufValue::text(std::string(architecture_.name));
    result_.metadata["general.quantization_version"] = GgufValue::u32(2);
    switch (architecture_.sizes) {
      case GgufSizes::kRotary:
        add_rotary();
        break;
      case GgufSizes::kLearnedPositions:
        add_learned_positions();
        break;
    }
    add_tensors();
    return std::move(result_);
  }

 private:
  void set(std::string_view name, int64_t value) {
    result_.metadata[str(architecture_.name, ".", name)] =
        GgufValue::u32(static_cast<uint32_t>(value));
  }
  void set_real(std::string_view name, double value) {
    result_.metadata[str(architecture_.name, ".", name)] =
        GgufValue::f32(static_cast<float>(value));
  }

  void add_rotary() {
    const int64_t hidden = config_.size({"hidden_size"});
    const int64_t heads = config_.size({"num_attention_heads"});
    head_dim_ = config_.size_or({"head_dim"}, std::max<int64_t>(1, hidden / heads));
    set("vocab_size", config_.size({"vocab_size"}));
    set("embedding_length", hidden);
    set("block_count", config_.size({"num_hidden_layers"}));
    set("feed_forward_length", config_.size({"intermediate_size"}));
    set("context_length", config_.size_or({"max_position_embeddings"}, 2048));
    set("attention.head_count", heads);
    set("attention.head_count_kv", config_.size_or({"num_key_value_heads"}, heads));
    set("attention.key_length", head_dim_);
    set("attention.value_length", head_dim_);
    set("rope.dimension_count", head_dim_);
    set_real("attention.layer_norm_rms_epsilon", config_.positive_or({"rms_norm_eps"}, 1e-6));
    add_rope();
    if (config_.find("num_local_experts") == nullptr) return;
    set("expert_count", config_.size({"num_local_experts"}));
    set("expert_used_count", config_.size({"num_experts_per_tok"}));
  }

  void add_rope() {
    const formats::RopeConfig rope = config_.rope();
    set_real("rope.freq_base", rope.theta);
    if (rope.type == "linear") {
      result_.metadata[str(architecture_.name, ".rope.scaling.type")] = GgufValue::text("linear");
      set_real("rope.scaling.factor", rope.factor);
    } else if (rope.type == "llama3") {
      const std::vector<double> factors = rope_factors(rope, head_dim_);
      result_.constants.push_back({"rope_freqs.weight", {factors.begin(), factors.end()}});
    }
  }

  void add_learned_positions() {
    const int64_t hidden = config_.size({"n_embd", "hidden_size"});
    set("vocab_size", config_.size({"vocab_size"}));
    set("embedding_length", hidden);
    set("block_count", config_.size({"n_layer", "num_hidden_layers"}));
    set("feed_forward_length", config_.size_or({"n_inner", "intermediate_size"}, 4 * hidden));
    set("context_length", config_.size({"n_positions", "max_position_embeddings", "n_ctx"}));
    set("attention.head_count", config_.size({"n_head", "num_attention_heads"}));
    set_real("attention.layer_norm_epsilon",
             config_.positive_or({"layer_norm_epsilon", "layer_norm_eps"}, 1e-5));
    const std::string activation =
        config_.text_or({"activation_function", "hidden_act"}, "gelu_new");
    if (activation == "gelu_new" || activation == "gelu_pytorch_tanh") return;
    throw Error(ErrorCode::kUnsupported,
                str("[gguf] ", config_.what(), ": activation \"", activation, "\"; GGUF's ",
                    architecture_.name, " means gelu_new"));
  }

  // In the order of names, so that the layers of a file follow one another.
  void add_tensors() {
    std::map<std::string, std::vector<WeightSource>> experts;
    for (const auto& [name, shape] : tensors_) {
      const auto counterpart = gguf_counterpart(architecture_, name);
      if (!counterpart) {
        throw Error(ErrorCode::kUnsupported, str("[gguf] ", config_.what(), ": tensor ", name,
                                                 " has no name in GGUF's ", architecture_.name));
      }
      if (counterpart->layout == GgufLayout::kExpert) {
        add_expert(*counterpart, name, shape, experts[counterpart->name]);
        continue;
      }
      std::vector<int64_t> own_shape = shape;
      if (counterpart->layout == GgufLayout::kTransposed && shape.size() == 2) {
        std::swap(own_shape[0], own_shape[1]);
      }
      result_.tensors.push_back({counterpart->name, std::move(own_shape),
                                 to_gguf(name, counterpart->layout, shape, head_dim_),
                                 stays_plain(counterpart->name)});
    }
    for (GgufTensor& tensor : result_.tensors) {
      const auto parts = experts.find(tensor.name);
      if (parts != experts.end()) tensor.source = WeightSource::stack(parts->second);
    }
  }

  // The first part declares the stacked tensor.
  void add_expert(const GgufCounterpart& counterpart,
                  const std::string& name,
                  const std::vector<int64_t>& shape,
                  std::vector<WeightSource>& parts) {
    if (parts.empty()) {
      const int64_t count = config_.size({"num_local_experts"});
      parts.assign(static_cast<size_t>(count), WeightSource::from_tensor(name));
      std::vector<int64_t> stacked = {count};
      stacked.insert(stacked.end(), shape.begin(), shape.end());
      result_.tensors.push_back({counterpart.name, std::move(stacked), {}, false});
    }
    parts.at(static_cast<size_t>(counterpart.expert)) = WeightSource::from_tensor(name);
  }

  const HfConfig& config_;
  const TensorShapes& tensors_;
  const GgufArchitecture& architecture_;
  int64_t head_dim_ = 0;
  GgufExport result_;
};

}  // namespace

GgufExport export_to_gguf(const HfConfig& config, const TensorShapes& tensors) {
  return Exporter(config, tensors).run();
}

}  // namespace partita::importer
