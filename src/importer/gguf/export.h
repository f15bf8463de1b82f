// SPDX-License-Identifier: Apache-2.0
// What a GGUF file of a Hugging Face model holds: keys and tensors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "formats/gguf/metadata.h"
#include "formats/hf_config.h"
#include "importer/tensor_shapes.h"
#include "ir/weight_source.h"

namespace partita::importer {

// A tensor of the file over the tensors of the checkpoint.
struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // outermost dim first
  ir::WeightSource source;
  bool stays_plain = false;  // small and sensitive: positions, routers; never stored in blocks
};

// A tensor of the file that no checkpoint holds.
struct GgufConstant {
  std::string name;
  std::vector<float> values;
};

struct GgufExport {
  std::map<std::string, formats::GgufValue, std::less<>> metadata;  // without the tokenizer
  std::vector<GgufTensor> tensors;
  std::vector<GgufConstant> constants;
};

// `tensors` are those that the graph of `config` reads. Throws kUnsupported naming a model type or
// tensor that GGUF has no name for, kInvalidFile as the families do.
[[nodiscard]] GgufExport export_to_gguf(const formats::HfConfig& config,
                                        const TensorShapes& tensors);

}  // namespace partita::importer
