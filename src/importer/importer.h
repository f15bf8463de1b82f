// SPDX-License-Identifier: Apache-2.0
// From a checkpoint directory or GGUF file to a graph and what is needed to run it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "support/dtype.h"

namespace partita::importer {

struct ImportOptions {
  // Of weights at run time: kF32 or kBF16; nothing = bf16 when config.json says bf16, else f32; of
  // a GGUF file each matrix as it is stored (f16 becomes f32).
  std::optional<DType> weight_dtype = DType::kF32;
  int64_t block_size = 16;  // positions per KV cache block
};

// What the frontend must know about a language model.
struct ModelInfo {
  std::string family;  // "llama", "gpt2"
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  int64_t layers = 0;
  DType weight_dtype = DType::kF32;  // as chosen; of unlike weights that of most elements
  std::optional<int32_t> bos_token;
  std::vector<int32_t> eos_tokens;  // from generation_config.json, else config.json
};

struct ImportedModel {
  ir::Graph graph;
  ModelInfo info;
  std::filesystem::path directory;  // or GGUF file
};

// `path`: a Hugging Face checkpoint directory, a GGUF file, or a folder with one GGUF file. Reads
// config.json, generation_config.json when present, and the NAMES of the tensors when there
// is a checkpoint (families come with and without a prefix); never weights. Without a checkpoint
// the usual names are taken. Of a GGUF file it reads the head. Throws kNotFound, kInvalidFile,
// kUnsupported (unknown family or architecture: lists the known ones).
[[nodiscard]] ImportedModel import_model(const std::filesystem::path& path,
                                         const ImportOptions& options = {});

}  // namespace partita::importer
