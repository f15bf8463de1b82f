// SPDX-License-Identifier: Apache-2.0
// From a checkpoint directory to a graph and what is needed to run it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "support/dtype.h"

namespace partita::importer {

struct ImportOptions {
  DType weight_dtype = DType::kF32;  // kF32 or kBF16: of weights at run time
  int64_t block_size = 16;           // positions per KV cache block
};

// What the frontend must know about a language model.
struct ModelInfo {
  std::string family;  // "llama", "gpt2"
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  int64_t layers = 0;
  std::optional<int32_t> bos_token;
  std::vector<int32_t> eos_tokens;  // from generation_config.json, else config.json
};

struct ImportedModel {
  ir::Graph graph;
  ModelInfo info;
  std::filesystem::path directory;
};

// Reads config.json (and generation_config.json when present) only; never weights. Throws kNotFound, kInvalidFile, kUnsupported
// (unknown family: lists the known ones).
[[nodiscard]] ImportedModel import_model(const std::filesystem::path& directory, const ImportOptions& options = {});

}  // namespace partita::importer
