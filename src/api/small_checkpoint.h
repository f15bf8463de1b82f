// SPDX-License-Identifier: Apache-2.0
// Small checkpoints with pseudo-random weights, as stored and with rounded matrices. Tests only.
#pragma once

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "formats/safetensors_writer.h"
#include "support/json.h"
#include "support/quant_blocks.h"

namespace partita::api {

// A tensor to be written; `is_matrix` marks those that --weights q8 quantises, `is_transposed`
// those stored [in, out].
struct SmallTensor {
  std::string name;
  std::vector<int64_t> shape;
  bool is_matrix = true;
  bool is_transposed = false;
};

struct SmallModel {
  Json config;
  std::vector<SmallTensor> tensors;
};

// 6 heads of 16 on 2 KV heads, width 96, inner width 160 = 5 blocks of 32; tied head.
inline SmallModel small_llama() {
  SmallModel model;
  model.config = {{"model_type", "llama"},       {"hidden_size", 96},
                  {"intermediate_size", 160},    {"num_attention_heads", 6},
                  {"num_key_value_heads", 2},    {"head_dim", 16},
                  {"num_hidden_layers", 2},      {"vocab_size", 67},
                  {"rms_norm_eps", 1e-5},        {"max_position_embeddings", 64},
                  {"tie_word_embeddings", true}, {"torch_dtype", "float32"}};
  model.tensors.push_back({"model.embed_tokens.weight", {67, 96}});
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string at = layer;
    model.tensors.push_back({at + "self_attn.q_proj.weight", {96, 96}});
    model.tensors.push_back({at + "self_attn.k_proj.weight", {32, 96}});
    model.tensors.push_back({at + "self_attn.v_proj.weight", {32, 96}});
    model.tensors.push_back({at + "self_attn.o_proj.weight", {96, 96}});
    model.tensors.push_back({at + "mlp.gate_proj.weight", {160, 96}});
    model.tensors.push_back({at + "mlp.up_proj.weight", {160, 96}});
    model.tensors.push_back({at + "mlp.down_proj.weight", {96, 160}});
    model.tensors.push_back({at + "input_layernorm.weight", {96}, false});
    model.tensors.push_back({at + "post_attention_layernorm.weight", {96}, false});
  }
  model.tensors.push_back({"model.norm.weight", {96}, false});
  return model;
}

// 3 heads of 32, width 96, inner width 160; Conv1D layers are stored [in, out].
inline SmallModel small_gpt2() {
  SmallModel model;
  model.config = {
      {"model_type", "gpt2"}, {"n_embd", 96},     {"n_inner", 160},    {"n_head", 3},
      {"n_layer", 2},         {"vocab_size", 67}, {"n_positions", 64}, {"torch_dtype", "float32"}};
  model.tensors.push_back({"transformer.wte.weight", {67, 96}});
  model.tensors.push_back({"transformer.wpe.weight", {64, 96}, false});
  for (const char* layer : {"transformer.h.0.", "transformer.h.1."}) {
    const std::string at = layer;
    const auto add = [&](const std::string& name, int64_t in, int64_t out) {
      model.tensors.push_back({at + name + ".weight", {in, out}, true, true});
      model.tensors.push_back({at + name + ".bias", {out}, false});
    };
    add("attn.c_attn", 96, 288);
    add("attn.c_proj", 96, 96);
    add("mlp.c_fc", 96, 160);
    add("mlp.c_proj", 160, 96);
    for (const char* norm : {"ln_1", "ln_2"}) {
      model.tensors.push_back({at + norm + ".weight", {96}, false});
      model.tensors.push_back({at + norm + ".bias", {96}, false});
    }
  }
  model.tensors.push_back({"transformer.ln_f.weight", {96}, false});
  model.tensors.push_back({"transformer.ln_f.bias", {96}, false});
  return model;
}

// small_llama() with 4 experts of 64 in every layer, two per token, and a head of its own.
inline SmallModel small_mixtral() {
  SmallModel model = small_llama();
  model.config["model_type"] = "mixtral";
  model.config["intermediate_size"] = 64;
  model.config["num_local_experts"] = 4;
  model.config["num_experts_per_tok"] = 2;
  model.config["tie_word_embeddings"] = false;
  std::erase_if(model.tensors, [](const SmallTensor& tensor) {
    return tensor.name.find(".mlp.") != std::string::npos;
  });
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string at = std::string(layer) + "block_sparse_moe.";
    model.tensors.push_back({at + "gate.weight", {4, 96}, false});
    for (int expert = 0; expert < 4; ++expert) {
      const std::string own = at + "experts." + std::to_string(expert) + ".";
      model.tensors.push_back({own + "w1.weight", {64, 96}});
      model.tensors.push_back({own + "w3.weight", {64, 96}});
      model.tensors.push_back({own + "w2.weight", {96, 64}});
    }
  }
  model.tensors.push_back({"lm_head.weight", {67, 96}});
  return model;
}

inline std::vector<float> transposed(const std::vector<float>& values,
                                     int64_t rows,
                                     int64_t columns) {
  std::vector<float> result(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      result[static_cast<size_t>(column * rows + row)] =
          values[static_cast<size_t>(row * columns + column)];
    }
  }
  return result;
}

// The values after rounding to blocks of `dtype` along the inputs of the layer.
inline std::vector<float> rounded(std::vector<float> values,
                                  const SmallTensor& tensor,
                                  DType dtype) {
  if (tensor.is_transposed) values = transposed(values, tensor.shape[0], tensor.shape[1]);
  const auto count = static_cast<int64_t>(values.size());
  std::vector<std::byte> blocks(static_cast<size_t>(bytes_of(dtype, count)));
  quantize(values.data(), count, dtype, blocks.data());
  dequantize(dtype, blocks.data(), count, values.data());
  return tensor.is_transposed ? transposed(values, tensor.shape[1], tensor.shape[0]) : values;
}

// Writes the model into `folder` in f32; with a block type, its matrices are those that are left
// after quantising, so that running it in f32 shows what quantised weights must give; with bf16 all
// values are such. The same random values each time.
inline void write_small(const SmallModel& model,
                        const std::filesystem::path& folder,
                        DType matrices = DType::kF32) {
  std::filesystem::create_directories(folder);
  write_json(folder / "config.json", model.config);
  std::vector<formats::TensorDeclaration> declarations;
  for (const SmallTensor& tensor : model.tensors) {
    declarations.push_back({tensor.name, DType::kF32, tensor.shape});
  }
  formats::SafetensorsWriter writer(folder / "model.safetensors", declarations);
  std::mt19937 random(3);
  for (const SmallTensor& tensor : model.tensors) {
    int64_t count = 1;
    for (const int64_t size : tensor.shape) count *= size;
    std::vector<float> values(static_cast<size_t>(count));
    const float scale = tensor.is_matrix ? 0.25F : 1.0F;
    for (float& value : values) {
      value = scale * (static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F);
    }
    if (matrices == DType::kBF16) {
      for (float& value : values) value = BFloat16::from_float(value).to_float();
    }
    if (tensor.is_matrix && is_block_type(matrices)) values = rounded(values, tensor, matrices);
    writer.append(std::as_bytes(std::span(values)));
  }
  writer.finish();
}

}  // namespace partita::api
