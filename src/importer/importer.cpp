// SPDX-License-Identifier: Apache-2.0
// Imports Hugging Face checkpoint directories.
#include "importer/importer.h"

#include "formats/checkpoint.h"
#include "formats/hf_config.h"
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

}  // namespace

ImportedModel import_model(const std::filesystem::path& directory, const ImportOptions& options) {
  check_options(options);
  const HfConfig config = HfConfig::read(directory);
  const models::Family& family = models::find_family(config);
  const DType weight_dtype = options.weight_dtype.value_or(declared_dtype(config));
  models::BuildOptions build{
      .weight_dtype = weight_dtype, .block_size = options.block_size, .has_tensor = {}};
  if (const auto names = formats::peek_tensor_names(directory)) {
    build.has_tensor = [names](std::string_view name) { return names->contains(name); };
  }
  models::BuiltModel built = family.build(config, build);
  ops::verify_types(built.graph);
  ImportedModel model{.graph = std::move(built.graph), .info = {}, .directory = directory};
  model.info.family = family.name;
  model.info.vocab_size = built.vocab_size;
  model.info.max_positions = built.max_positions;
  model.info.layers = built.layers;
  model.info.weight_dtype = weight_dtype;
  read_tokens(token_configs(directory, config), model.info);
  return model;
}

}  // namespace partita::importer
