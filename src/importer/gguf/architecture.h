// SPDX-License-Identifier: Apache-2.0
// The architectures of GGUF files that partita knows: which Hugging Face model each one is, and how
// its tensors are called and laid out there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/weight_source.h"

namespace partita::importer {

// How the data of a GGUF tensor lies, seen from the Hugging Face tensor.
enum class GgufLayout : uint8_t {
  kSame,
  kTransposed,  // a matrix [in, out] there is [out, in] here; vectors are the same
  // Heads of rows that are rotated: halves [2, head_dim / 2] there are pairs [head_dim / 2, 2]
  // here.
  kPairs,
  kExpert,  // one of the parts that are stacked along a first dim here
};

// One row of the table of names, without .weight and .bias. N stands for the number of the layer, E
// for that of the expert.
struct GgufName {
  std::string_view gguf;
  std::string_view hugging_face;
  GgufLayout layout = GgufLayout::kSame;
};

// Which keys say what the model computes.
enum class GgufSizes : uint8_t { kRotary, kLearnedPositions };

struct GgufArchitecture {
  std::string_view name;        // general.architecture
  std::string_view model_type;  // of config.json
  GgufSizes sizes = GgufSizes::kRotary;
  std::span<const GgufName> names;
  std::string_view hugging_face_prefix;  // of names; checkpoints may lack it
};

// Null for one that is not known.
[[nodiscard]] const GgufArchitecture* find_gguf_architecture(std::string_view name);
// The one that a model of this model_type is written as; null when there is none.
[[nodiscard]] const GgufArchitecture* gguf_architecture_of(std::string_view model_type);
[[nodiscard]] std::string known_gguf_architectures();  // "a, b, c"

// The counterpart of a Hugging Face tensor.
struct GgufCounterpart {
  std::string name;
  GgufLayout layout = GgufLayout::kSame;
  int64_t expert = 0;  // kExpert
};

// Nothing when the architecture has no such tensor. Knows names with and without the prefix.
[[nodiscard]] std::optional<GgufCounterpart> gguf_counterpart(const GgufArchitecture& architecture,
                                                              const std::string& hugging_face_name);

// The Hugging Face tensor as an expression over its counterpart of that `shape`.
[[nodiscard]] ir::WeightSource from_gguf(const GgufCounterpart& counterpart,
                                         const std::vector<int64_t>& shape,
                                         int64_t head_dim);
// And back: the GGUF tensor over the Hugging Face tensor `name` of that `shape` (no kExpert).
[[nodiscard]] ir::WeightSource to_gguf(const std::string& name,
                                       GgufLayout layout,
                                       const std::vector<int64_t>& shape,
                                       int64_t head_dim);

}  // namespace partita::importer
