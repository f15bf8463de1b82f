// SPDX-License-Identifier: Apache-2.0
// Activations as products with weights in blocks read them (ops/product/row_quantiser.h), as values
// of a graph: f32[.., k] becomes u8[.., k / 32, 40]. Bytes of several rows are interleaved, so such
// values are never cut and only programs of ranks hold them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace partita::ops {

inline constexpr int64_t kRowBlock = 32;       // elements of a row that share a scale
inline constexpr int64_t kRowBlockBytes = 40;  // that they take

// The attribute of operators that give quantised rows: the type of the weights they are meant for,
// "q8_0" or "q4_0".
inline constexpr const char* kQuantizedFor = "quantized_for";
// Operators that take the attribute beside quantize_rows: of their last output.
inline constexpr std::array<std::string_view, 7> kQuantizingOps = {"add_layer_norm",
                                                                   "add_rms_norm",
                                                                   "all_reduce_add_layer_norm",
                                                                   "all_reduce_add_rms_norm",
                                                                   "gated",
                                                                   "layer_norm",
                                                                   "rms_norm"};

// The attribute; nothing when it is absent. Throws kInvalidArgument for other types.
[[nodiscard]] std::optional<DType> quantized_for(const ir::Attributes& attributes);

// Whether f32 rows of that type can be quantised: the last dim is a known multiple of kRowBlock.
[[nodiscard]] bool can_quantize(const ir::TensorType& rows);
// u8[.., k / 32, 40] of f32[.., k], which can_quantize().
[[nodiscard]] ir::TensorType quantized_rows_type(const ir::TensorType& rows);
[[nodiscard]] bool is_quantized_rows(const ir::TensorType& type);

// For declarations of kQuantizingOps, with the notation of f32 outputs: that of the call, whose
// last output is quantised where the attribute says so. Throws where it cannot be.
[[nodiscard]] spec::Notation with_quantized_output(const OpCall& call, spec::Notation notation);
// Their OpDef::output_dtypes: that of input 0, or u8 for the last.
[[nodiscard]] std::vector<DType> quantized_dtypes(const OpCall& call, size_t outputs);

}  // namespace partita::ops
