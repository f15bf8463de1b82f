// SPDX-License-Identifier: Apache-2.0
// Writes a model whose tensors come from anywhere, in either format.
#pragma once

#include <filesystem>
#include <string>

#include "api/make_model/write_tensors.h"
#include "formats/hf_config.h"
#include "importer/tensor_shapes.h"
#include "partita/make_model.h"
#include "support/json.h"

namespace partita::api {

// A model before it is written: everything but the values.
struct SourceModel {
  formats::HfConfig config;
  importer::TensorShapes tensors;
  std::string tokenizer_json;  // empty when there is none
  std::string tokenizer_what;  // names it in messages
};

// The element type of matrices. Throws kInvalidArgument for one that the format cannot hold, and
// for an unknown format.
[[nodiscard]] DType matrix_dtype(const MakeModelOptions& options);

// Both write to `out`, which appears when it is complete, and return the bytes of tensors. `load`
// gives the values of expressions over the tensors of `model`. Throw kInvalidArgument (32 does not
// divide the rows of a matrix), kUnsupported (GGUF cannot express model or tokenizer), kSystem.
int64_t write_gguf(const SourceModel& model,
                   const LoadRows& load,
                   const MakeModelOptions& options,
                   const std::filesystem::path& out);
// A folder in Hugging Face layout; `config` is its config.json.
int64_t write_hugging_face(const SourceModel& model,
                           const Json& config,
                           const LoadRows& load,
                           const MakeModelOptions& options,
                           const std::filesystem::path& out);

}  // namespace partita::api
