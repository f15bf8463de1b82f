// SPDX-License-Identifier: Apache-2.0
// Reads one rank's piece of a weight from a checkpoint.
#pragma once

#include "formats/checkpoint.h"
#include "ir/types.h"
#include "ir/weight_source.h"
#include "runtime/load_scratch.h"

namespace partita::runtime {

// Type of the source's value: the dtype of its tensors and known sizes. Throws kNotFound naming the
// tensor, kInvalidFile naming the part of the expression that does not fit.
[[nodiscard]] ir::TensorType type_of(const formats::Checkpoint& checkpoint,
                                     const ir::WeightSource& source);

// Evaluates `source` (slices included: the piece of this rank) into `dst`, dense and row major, of
// `local_type.bytes()` bytes. Reads exactly the bytes of the elements it needs, with positional
// reads of contiguous runs; `scratch` grows to 5 MiB at most for rows of up to 512 Ki elements.
// Elements become `local_type.dtype` (f32, bf16, f16) with round to nearest even, or are quantised
// row by row (q8_0, q4_0); tensors that are stored in the wanted blocks already are copied. Throws
// kInvalidFile when the shape is not that of `local_type` or a value cannot be quantised,
// kUnsupported when a tensor is no float tensor or its blocks would have to be cut, and as
// type_of(). Thread-safe for different destinations and scratches.
void load_weight(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type,
                 void* dst,
                 LoadScratch& scratch);

}  // namespace partita::runtime
