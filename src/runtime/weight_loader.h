// SPDX-License-Identifier: Apache-2.0
// Reads one rank's piece of a weight from a checkpoint.
#pragma once

#include "formats/checkpoint.h"
#include "ir/types.h"
#include "ir/weight_source.h"

namespace partita::runtime {

// Type of the source's value: the dtype of its tensors and known sizes. Throws kNotFound naming the
// tensor, kInvalidFile naming the part of the expression that does not fit.
[[nodiscard]] ir::TensorType type_of(const formats::Checkpoint& checkpoint,
                                     const ir::WeightSource& source);

// Evaluates `source` (slices included: the piece of this rank) into `dst`, dense and row major, of
// `local_type.bytes()` bytes. Reads exactly the bytes of the elements it needs, with positional
// reads of contiguous runs; needs at most 8 MiB of scratch memory; elements become
// `local_type.dtype` (f32, bf16 or f16) with round to nearest even. Throws kInvalidFile when the
// shape is not that of `local_type`, kUnsupported when a tensor is no float tensor, and as
// type_of(). Thread-safe for different destinations.
void load_weight(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type,
                 void* dst);

}  // namespace partita::runtime
