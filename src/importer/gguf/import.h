// SPDX-License-Identifier: Apache-2.0
// The two halves of importing a GGUF file: its config, and its tensors as weights.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/hf_config.h"
#include "importer/gguf/architecture.h"
#include "ir/graph.h"
#include "support/dtype.h"

namespace partita::importer {

// Stands between a GGUF file and the model families. `checkpoint` (of a GGUF file) must outlive it.
class GgufModel {
 public:
  // Throws as config_of_gguf().
  explicit GgufModel(const formats::Checkpoint& checkpoint);

  [[nodiscard]] const formats::HfConfig& config() const { return config_; }
  // Whether the file holds the tensor that a Hugging Face checkpoint calls so.
  [[nodiscard]] bool has_tensor(std::string_view hugging_face_name) const;
  // `graph` of a family over the tensors of the file. With `natural_types` matrices take the types
  // they are stored in (f16 becomes f32, and so do those of experts whose types differ). Throws
  // kUnsupported naming a tensor that has no
  // counterpart in the file.
  [[nodiscard]] ir::Graph over_file(const ir::Graph& graph, bool natural_types) const;

 private:
  [[nodiscard]] ir::WeightSource source_of(const std::string& hugging_face_name) const;
  [[nodiscard]] ir::TensorType natural_type(const ir::Value& weight,
                                            const ir::WeightSource& source) const;

  const formats::Checkpoint& checkpoint_;
  const GgufArchitecture& architecture_;
  formats::HfConfig config_;
  int64_t head_dim_ = 0;
};

}  // namespace partita::importer
