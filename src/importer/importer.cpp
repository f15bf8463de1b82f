// SPDX-License-Identifier: Apache-2.0
// Imports Hugging Face checkpoint directories and GGUF files.
#include "importer/importer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "formats/checkpoint.h"
#include "formats/gguf/file.h"
#include "formats/hf_config.h"
#include "importer/gguf/import.h"
#include "models/family.h"
#include "ops/op.h"
#include "support/error.h"

namespace partita::importer {
namespace {

using formats::HfConfig;

// Chat models often list further end tokens in generation_config.json only.
std::vector<HfConfig> token_configs(const std::filesystem::path& directory,
                                    const HfConfig& config) {
  std::vector<HfConfig> configs;
  const auto path = directory / "generation_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) configs.emplace_back(read_json(path), path.string());
  configs.push_back(config);
  return configs;
}

void check_token(const HfConfig& config, int32_t token, int64_t vocab_size) {
  if (token < vocab_size) return;
  throw Error(ErrorCode::kInvalidFile, str("[importer] ", config.what(), ": token ", token,
                                           " is outside the vocabulary of ", vocab_size));
}

void read_tokens(const std::vector<HfConfig>& configs, ModelInfo& info) {
  for (const HfConfig& config : configs) {
    const std::vector<int32_t> bos = config.token_ids("bos_token_id");
    const std::vector<int32_t> eos = config.token_ids("eos_token_id");
    for (const int32_t token : bos) check_token(config, token, info.vocab_size);
    for (const int32_t token : eos) check_token(config, token, info.vocab_size);
    if (!info.bos_token && !bos.empty()) info.bos_token = bos.front();
    if (info.eos_tokens.empty()) info.eos_tokens = eos;
  }
}

// f16 has no fast arithmetic on CPUs and does not fit into bf16 without loss, so it becomes f32.
DType declared_dtype(const HfConfig& config) {
  const auto declared = parse_dtype(config.text_or({"dtype", "torch_dtype"}, "float32"));
  return declared == DType::kBF16 ? DType::kBF16 : DType::kF32;
}

void check_options(const ImportOptions& options) {
  const DType dtype = options.weight_dtype.value_or(DType::kF32);
  if (dtype != DType::kF32 && dtype != DType::kBF16) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[importer] weight dtype ", to_string(dtype), "; expected f32 or bf16"));
  }
  if (options.block_size < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[importer] block size ", options.block_size, "; expected at least 1"));
  }
}

// The dtype that most elements of matrices have.
DType main_dtype(const ir::Graph& graph) {
  std::map<DType, int64_t> elements;
  for (const ir::Value& value : graph.values()) {
    if (value.kind == ir::ValueKind::kWeight && value.type.dims.size() >= 2) {
      elements[value.type.dtype] += value.type.elements();
    }
  }
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return most == elements.end() ? DType::kF32 : most->first;
}

// A model of which all but the special tokens is known.
ImportedModel imported(const models::Family& family,
                       models::BuiltModel built,
                       std::filesystem::path path) {
  ops::verify_types(built.graph);
  ImportedModel model{.graph = std::move(built.graph), .info = {}, .directory = std::move(path)};
  model.info.family = family.name;
  model.info.vocab_size = built.vocab_size;
  model.info.max_positions = built.max_positions;
  model.info.layers = built.layers;
  return model;
}

ImportedModel import_hugging_face(const std::filesystem::path& directory,
                                  const ImportOptions& options) {
  const HfConfig config = HfConfig::read(directory);
  const models::Family& family = models::find_family(config);
  const DType weight_dtype = options.weight_dtype.value_or(declared_dtype(config));
  models::BuildOptions build{
      .weight_dtype = weight_dtype, .block_size = options.block_size, .has_tensor = {}};
  if (const auto names = formats::peek_tensor_names(directory)) {
    build.has_tensor = [names](std::string_view name) { return names->contains(name); };
  }
  ImportedModel model = imported(family, family.build(config, build), directory);
  model.info.weight_dtype = weight_dtype;
  read_tokens(token_configs(directory, config), model.info);
  return model;
}

ImportedModel import_gguf(const std::filesystem::path& path, const ImportOptions& options) {
  const formats::Checkpoint checkpoint = formats::Checkpoint::open(path);
  const GgufModel gguf(checkpoint);
  const models::Family& family = models::find_family(gguf.config());
  models::BuiltModel built = family.build(
      gguf.config(), {.weight_dtype = options.weight_dtype.value_or(DType::kF32),
                      .block_size = options.block_size,
                      .has_tensor = [&](std::string_view name) { return gguf.has_tensor(name); }});
  built.graph = gguf.over_file(built.graph, /*natural_types=*/!options.weight_dtype);
  ImportedModel model = imported(family, std::move(built), path);
  model.info.weight_dtype = options.weight_dtype.value_or(main_dtype(model.graph));
  read_tokens({gguf.config()}, model.info);
  return model;
}

}  // namespace

ImportedModel import_model(const std::filesystem::path& path, const ImportOptions& options) {
  check_options(options);
  return formats::find_gguf(path) ? import_gguf(path, options) : import_hugging_face(path, options);
}

}  // namespace partita::importer
